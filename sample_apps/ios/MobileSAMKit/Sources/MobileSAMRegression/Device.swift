import Foundation
import MobileSAMKit

/// What the regression test needs from the device.
public protocol Device {
    var identity: DeviceIdentity { get }
    var app: AppIdentity { get }

    func state() -> DeviceState
    /// Peak memory of the process so far, in bytes.
    func peakMemory() throws -> Int
    /// SHA-256 of a file in lower-case hexadecimal.
    func sha256(of file: URL) throws -> String
    /// Decode a photo's file, upright and in sRGB.
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
    /// Name and version of what ran the artifact.
    public let runtime: String

    public init(name: String, version: String, runtime: String) {
        self.name = name
        self.version = version
        self.runtime = runtime
    }
}

/// The device's state. It says whether times that were taken are valid.
public struct DeviceState: Encodable, Sendable {
    /// `ProcessInfo.thermalState`: nominal, fair, serious, critical, or unknown.
    public let thermalState: String
    /// Whether iOS is in low power mode.
    public let batterySaver: Bool

    public init(thermalState: String, batterySaver: Bool) {
        self.thermalState = thermalState
        self.batterySaver = batterySaver
    }
}
