import Foundation

/// An error that an app shows its user. The message is one line that names the value, the expectation and the
/// fix.
public protocol MobileSAMError: LocalizedError {
    var message: String { get }
}

extension MobileSAMError {
    public var errorDescription: String? { message }
}

/// An artifact is missing, damaged or made for something else.
public struct ArtifactError: MobileSAMError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }
}

/// A photo cannot be read.
public struct PhotoError: MobileSAMError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }
}

/// A prompt is about no photo, or the mask decoder cannot take it.
public struct PromptError: MobileSAMError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }
}
