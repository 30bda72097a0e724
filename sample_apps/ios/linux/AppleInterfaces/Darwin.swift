import Foundation

public typealias mach_port_t = UInt32
public typealias kern_return_t = Int32
public typealias integer_t = Int32
public typealias natural_t = UInt32
public typealias mach_msg_type_number_t = natural_t
public typealias task_flavor_t = natural_t
public typealias task_info_t = UnsafeMutablePointer<integer_t>

public struct task_vm_info_data_t {
    public init() {}
    public var ledger_phys_footprint_peak: Int64 { fatalError() }
}

public let TASK_VM_INFO: Int32 = 22
public let KERN_SUCCESS: Int32 = 0
public var mach_task_self_: mach_port_t {
    get { fatalError() }
    set {}
}

@discardableResult
public func task_info(
    _ target: mach_port_t, _ flavor: task_flavor_t, _ info: task_info_t?,
    _ count: UnsafeMutablePointer<mach_msg_type_number_t>?
) -> kern_return_t { fatalError() }

@discardableResult
public func sysctlbyname(
    _ name: UnsafePointer<CChar>?, _ old: UnsafeMutableRawPointer?,
    _ oldLength: UnsafeMutablePointer<Int>?, _ new: UnsafeMutableRawPointer?, _ newLength: Int
) -> Int32 { fatalError() }

extension ProcessInfo {
    public enum ThermalState: Int, Sendable {
        case nominal, fair, serious, critical
    }
    public var thermalState: ThermalState { fatalError() }
    public var isLowPowerModeEnabled: Bool { fatalError() }
}
