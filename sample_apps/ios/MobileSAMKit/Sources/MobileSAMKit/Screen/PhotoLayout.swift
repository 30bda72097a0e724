/// A photo fitted into a view of the screen, as large as its shape allows.
public struct PhotoLayout: Hashable, Sendable {
    public let photo: PixelSize
    /// The photo's size on the screen, in points.
    public let width: Double
    public let height: Double

    /// - Parameters:
    ///   - photo: the photo's size in pixels.
    ///   - width, height: size of the view, in points.
    public init(photo: PixelSize, width: Double, height: Double) {
        let scale = max(0, min(width / Double(photo.width), height / Double(photo.height)))
        self.photo = photo
        self.width = Double(photo.width) * scale
        self.height = Double(photo.height) * scale
    }

    /// Convert a point of the photo on the screen to pixels of the photo. The result is never outside the
    /// photo.
    public func toPhoto(_ point: Point) -> Point {
        guard width > 0, height > 0 else { return Point(x: 0, y: 0) }
        let x = min(max(point.x / width, 0), 1) * Double(photo.width)
        let y = min(max(point.y / height, 0), 1) * Double(photo.height)
        return Point(x: x, y: y)
    }

    /// Convert a point in pixels of the photo to a point of the photo on the screen.
    public func toView(_ point: Point) -> Point {
        Point(
            x: point.x / Double(photo.width) * width, y: point.y / Double(photo.height) * height)
    }
}
