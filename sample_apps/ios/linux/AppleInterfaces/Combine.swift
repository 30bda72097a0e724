import Foundation

public protocol ObservableObject: AnyObject {}

@propertyWrapper public struct Published<Value> {
    public var wrappedValue: Value
    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }
}

public protocol Publisher {
    associatedtype Output
}

extension NotificationCenter {
    public struct Publisher: Combine.Publisher {
        public typealias Output = Notification
    }
    public func publisher(for name: Notification.Name, object: AnyObject? = nil) -> Publisher {
        fatalError()
    }
}
