#if canImport(Darwin) && canImport(CryptoKit) && canImport(ImageIO)
import CryptoKit
// Darwin's global variables are older than Swift's concurrency. The one that is read here never changes.
@preconcurrency import Darwin
import Foundation
import MobileSAMKit

/// The iPhone that the regression test runs on.
public struct IPhone: Device {
    public init() {}

    public var identity: DeviceIdentity {
        DeviceIdentity(model: machine, osVersion: systemVersion)
    }

    public var app: AppIdentity {
        let version = Bundle.main.infoDictionary?["CFBundleShortVersionString"] as? String
        return AppIdentity(
            name: Bundle.main.bundleIdentifier ?? "unknown", version: version ?? "unknown",
            runtime: "Core ML, iOS \(systemVersion)")
    }

    public func state() -> DeviceState {
        let thermalState =
            switch ProcessInfo.processInfo.thermalState {
            case .nominal: "nominal"
            case .fair: "fair"
            case .serious: "serious"
            case .critical: "critical"
            @unknown default: "unknown"
            }
        return DeviceState(
            thermalState: thermalState,
            batterySaver: ProcessInfo.processInfo.isLowPowerModeEnabled)
    }

    public func peakMemory() throws -> Int {
        var info = task_vm_info_data_t()
        let words = MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size
        var count = mach_msg_type_number_t(words)
        let status = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: words) {
                task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
            }
        }
        guard status == KERN_SUCCESS else {
            throw RegressionError("the system does not report the app's memory (task_info: \(status))")
        }
        return Int(info.ledger_phys_footprint_peak)
    }

    public func sha256(of file: URL) throws -> String {
        let data = try Data(contentsOf: file, options: .mappedIfSafe)
        return SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
    }

    public func photo(at file: URL) throws -> Photo {
        try Photo(file: Data(contentsOf: file))
    }

    private var systemVersion: String {
        let version = ProcessInfo.processInfo.operatingSystemVersion
        let patch = version.patchVersion == 0 ? "" : ".\(version.patchVersion)"
        return "\(version.majorVersion).\(version.minorVersion)\(patch)"
    }

    private var machine: String {
        var length = 0
        sysctlbyname("hw.machine", nil, &length, nil, 0)
        var name = [UInt8](repeating: 0, count: length)
        sysctlbyname("hw.machine", &name, &length, nil, 0)
        return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }
}
#endif
