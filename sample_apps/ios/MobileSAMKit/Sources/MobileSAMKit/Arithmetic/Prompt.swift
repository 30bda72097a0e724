/// A point of a prompt.
public struct PromptPoint: Hashable, Sendable {
    /// Where it is, in pixels of the photo.
    public let point: Point
    /// True on the object, false on the background.
    public let isObject: Bool

    public init(_ point: Point, isObject: Bool) {
        self.point = point
        self.isObject = isObject
    }
}

/// A box around an object, in pixels of the photo.
public struct PromptBox: Hashable, Sendable {
    public let topLeft: Point
    public let bottomRight: Point

    /// Make the box with these two opposite corners, which may be any two.
    public init(_ corner: Point, _ opposite: Point) {
        topLeft = Point(x: min(corner.x, opposite.x), y: min(corner.y, opposite.y))
        bottomRight = Point(x: max(corner.x, opposite.x), y: max(corner.y, opposite.y))
    }
}

/// A user's prompt about one object in a photo.
public struct Prompt: Hashable, Sendable {
    /// The user's points, in their order.
    public var points: [PromptPoint]
    /// A box around the object, or nil.
    public var box: PromptBox?
    /// Low-resolution logits of one mask of an earlier answer about the same photo, or nil.
    public var maskInput: [Float]?

    public init(points: [PromptPoint] = [], box: PromptBox? = nil, maskInput: [Float]? = nil) {
        self.points = points
        self.box = box
        self.maskInput = maskInput
    }

    public var isEmpty: Bool { points.isEmpty && box == nil }

    /// Whether the prompt can mean several objects. A single point can: it may mean a part or the whole.
    public var isAmbiguous: Bool { points.count == 1 && box == nil && maskInput == nil }
}
