import Foundation
import MobileSAMKit

/// What the regression test asks the device, and what only the device can do.
public protocol Device {
    var identity: DeviceIdentity { get }
    var app: AppIdentity { get }

    func state() -> DeviceState
    /// The process's highest memory use so far, in bytes.
    func peakMemory() throws -> Int
    /// SHA-256 in lower-case hexadecimal digits.
    func sha256(of file: URL) throws -> String
    /// An upright photo, in sRGB.
    func photo(at file: URL) throws -> Photo
}

/// `device` of docs/device-results.md.
public struct DeviceIdentity: Encodable, Sendable {
    public let platform = "ios"
    /// `hw.machine`, such as "iPhone15,2".
    public let model: String
    public let osVersion: String

    public init(model: String, osVersion: String) {
        self.model = model
        self.osVersion = osVersion
    }
}

/// `app` of docs/device-results.md.
public struct AppIdentity: Encodable, Sendable {
    /// The bundle identifier.
    public let name: String
    public let version: String
    /// What ran the artifact, with its version.
    public let runtime: String

    public init(name: String, version: String, runtime: String) {
        self.name = name
        self.version = version
        self.runtime = runtime
    }
}

/// Whether the device is fit to be measured.
public struct DeviceState: Encodable, Sendable {
    /// `ProcessInfo.thermalState`: nominal, fair, serious, critical, or unknown.
    public let thermalState: String
    /// iOS' low power mode.
    public let batterySaver: Bool

    public init(thermalState: String, batterySaver: Bool) {
        self.thermalState = thermalState
        self.batterySaver = batterySaver
    }
}
