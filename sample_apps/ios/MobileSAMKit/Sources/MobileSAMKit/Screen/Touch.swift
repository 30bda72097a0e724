/// What a finger did, in pixels of the photo.
public enum Touch: Hashable, Sendable {
    /// Here is the object.
    case tap(Point)
    /// Here is the background.
    case hold(Point)
    /// The object is in the box between these corners.
    case drag(Point, Point)

    /// Points on the screen that a finger may tremble.
    public static let shortestDrag = 12.0
    /// Seconds.
    public static let shortestHold = 0.5

    /// - Parameters:
    ///   - start, end: where the finger came down and was lifted, in points of the photo on the screen.
    ///   - seconds: how long it was down.
    public init(from start: Point, to end: Point, seconds: Double, in layout: PhotoLayout) {
        if Self.isDrag(from: start, to: end) {
            self = .drag(layout.toPhoto(start), layout.toPhoto(end))
        } else if seconds >= Self.shortestHold {
            self = .hold(layout.toPhoto(start))
        } else {
            self = .tap(layout.toPhoto(start))
        }
    }

    /// Whether a finger has moved far enough to mean it.
    public static func isDrag(from start: Point, to end: Point) -> Bool {
        max(abs(end.x - start.x), abs(end.y - start.y)) >= shortestDrag
    }
}

extension Prompt {
    /// The prompt with one touch more: taps and holds add points, a drag replaces the box.
    public func adding(_ touch: Touch) -> Prompt {
        var prompt = self
        switch touch {
        case .tap(let point): prompt.points.append(.init(point, isObject: true))
        case .hold(let point): prompt.points.append(.init(point, isObject: false))
        case .drag(let corner, let opposite): prompt.box = .init(corner, opposite)
        }
        return prompt
    }
}
