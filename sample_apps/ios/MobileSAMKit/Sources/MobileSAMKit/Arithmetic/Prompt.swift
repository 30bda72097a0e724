/// A point of a prompt: where it is, and whether it is on the object or on the background.
public struct PromptPoint: Hashable, Sendable {
    public let point: Point
    public let isObject: Bool

    public init(_ point: Point, isObject: Bool) {
        self.point = point
        self.isObject = isObject
    }
}

/// A box around an object.
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
    public var points: [PromptPoint]
    public var box: PromptBox?

    public init(points: [PromptPoint] = [], box: PromptBox? = nil) {
        self.points = points
        self.box = box
    }

    public var isEmpty: Bool { points.isEmpty && box == nil }

    /// The same prompt in pixels of the frame.
    public func toFrame(_ geometry: FrameGeometry) -> Prompt {
        Prompt(
            points: points.map {
                PromptPoint(geometry.toFrame($0.point), isObject: $0.isObject)
            },
            box: box.map {
                PromptBox(geometry.toFrame($0.topLeft), geometry.toFrame($0.bottomRight))
            })
    }
}
