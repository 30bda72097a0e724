import Foundation

/// An error that an app shows its user. The message is one line that names the value, the expectation and the
/// fix.
public struct MobileSAMError: LocalizedError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    public var errorDescription: String? { message }
}
