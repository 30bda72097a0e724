/// What a finger meant, in pixels of the photo.
public enum Touch: Hashable, Sendable {
    /// The object is at this point.
    case tap(Point)
    /// The background is at this point.
    case hold(Point)
    /// The object is in the box between these corners.
    case drag(Point, Point)

    /// Shortest way of a drag, in points on the screen. A finger trembles less than that.
    public static let shortestDrag = 12.0
    /// Shortest time of a hold, in seconds.
    public static let shortestHold = 0.5

    /// - Parameters:
    ///   - start, end: where the finger touched the screen and left it, in points of the photo on the screen.
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

    /// Whether a finger has moved far enough for a drag.
    public static func isDrag(from start: Point, to end: Point) -> Bool {
        max(abs(end.x - start.x), abs(end.y - start.y)) >= shortestDrag
    }
}

extension Prompt {
    /// The prompt with one more touch. A tap or a hold adds a point, and a drag replaces the box.
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
