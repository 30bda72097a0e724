import MobileSAMKit

/// The regression test cannot be done as it was asked for, or not on this device as it is now.
public struct RegressionError: MobileSAMError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }
}
