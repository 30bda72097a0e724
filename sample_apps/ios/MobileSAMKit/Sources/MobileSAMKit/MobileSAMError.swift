import Foundation

/// What an app tells its user: one line that names the value, what was expected, and the fix.
public struct MobileSAMError: LocalizedError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    public var errorDescription: String? { message }
}
