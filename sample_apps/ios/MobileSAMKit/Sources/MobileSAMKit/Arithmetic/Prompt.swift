/// What a person says about one object in a photo.
public struct Prompt: Hashable, Sendable {
    /// A tap: where, and whether the object is there or the background.
    public struct LabeledPoint: Hashable, Sendable {
        public let point: Point
        public let isObject: Bool

        public init(_ point: Point, isObject: Bool) {
            self.point = point
            self.isObject = isObject
        }
    }

    /// A drag around the object.
    public struct Box: Hashable, Sendable {
        public let topLeft: Point
        public let bottomRight: Point

        /// The box with two opposite corners, whichever they are.
        public init(_ corner: Point, _ opposite: Point) {
            topLeft = Point(x: min(corner.x, opposite.x), y: min(corner.y, opposite.y))
            bottomRight = Point(x: max(corner.x, opposite.x), y: max(corner.y, opposite.y))
        }
    }

    public var points: [LabeledPoint]
    public var box: Box?

    public init(points: [LabeledPoint] = [], box: Box? = nil) {
        self.points = points
        self.box = box
    }

    public var isEmpty: Bool { points.isEmpty && box == nil }

    /// The same prompt in pixels of the frame.
    public func inFrame(_ geometry: FrameGeometry) -> Prompt {
        Prompt(
            points: points.map {
                LabeledPoint(geometry.inFrame($0.point), isObject: $0.isObject)
            },
            box: box.map {
                Box(geometry.inFrame($0.topLeft), geometry.inFrame($0.bottomRight))
            })
    }
}
