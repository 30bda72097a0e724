import Foundation
import MobileSAMKit

/// The results of the regression test: the document of docs/device-results.md, field by field.
public struct DeviceResults: Encodable, Sendable {
    public let schema = "mobile-sam-export/device-results/1"
    public let startedAt: String
    public let device: DeviceIdentity
    public let app: AppIdentity
    public let compute: Compute
    public var artifact: ArtifactIdentity
    public let limits: CaseLimits
    public var cases: [DeviceCase] = []
    public var milliseconds = Milliseconds()
    public var memory: Memory
    public let before: DeviceState
    @Nullable public var after: DeviceState?
    /// The step that is being run. If the test ends early, it says where and why. It is nil when all is done.
    @Nullable public var failure: String?

    public struct Compute: Encodable, Sendable {
        public let unit: String
        @Nullable public var threads: Int?
    }

    public struct ArtifactIdentity: Encodable, Sendable {
        public let model: String
        public let format: String
        public let scheme: String
        public let checkpointSha256: String
        public let files: [String: FileIdentity]
    }

    public struct Milliseconds: Encodable, Sendable {
        public var load: [Double] = []
        @Nullable public var imageEncoder: DeviceStageTimes?
        @Nullable public var maskDecoder: DeviceStageTimes?
        @Nullable public var endToEnd: DeviceStageTimes?
    }

    public struct Memory: Encodable, Sendable {
        public let peakBefore: Int
        @Nullable public var peakAfter: Int?
    }

    /// Write the document, and replace an earlier one. The file is never half written.
    public func write(to url: URL) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: url, options: .atomic)
    }
}

/// The limits that every golden case has to meet.
public struct CaseLimits: Encodable, Sendable {
    public let minIou: Double
    public let maxScoreDifference: Double
}

/// The result of a golden case.
public struct DeviceCase: Encodable, Sendable {
    public let name: String
    /// IoU of each mask with the golden mask.
    public let maskIous: [Double]
    /// Largest absolute difference between a score and the golden score. Nil if a score is not finite.
    @Nullable public var maxScoreDifference: Double?
    public let passed: Bool
}

/// Milliseconds of a stage: of its first run, and of every run after the warm-up.
public struct DeviceStageTimes: Encodable, Sendable {
    public let first: Double
    public var steady: [Double] = []
}

/// An optional that is encoded as null. A plain optional would be left out.
@propertyWrapper
public struct Nullable<Value: Encodable & Sendable>: Encodable, Sendable {
    public var wrappedValue: Value?

    public init(wrappedValue: Value?) {
        self.wrappedValue = wrappedValue
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue {
            try container.encode(wrappedValue)
        } else {
            try container.encodeNil()
        }
    }
}
