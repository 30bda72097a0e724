/// Where a photo lies in the square frame that the image encoder takes: at the top left, with its longest
/// side as long as the frame.
///
/// The arithmetic is that of `resized_size` and `points_to_frame` in reference/photos/preprocessing.py.
public struct FrameGeometry: Hashable, Sendable {
    public let photo: PixelSize
    public let frameSize: Int

    /// - Parameters:
    ///   - photo: size of the upright photo. Both sides are at least 1.
    ///   - frameSize: the frame's side in pixels.
    public init(photo: PixelSize, frameSize: Int) {
        self.photo = photo
        self.frameSize = frameSize
    }

    /// The photo's size in the frame. Sides are rounded half up and are at least 1.
    public var resized: PixelSize {
        let scale = Double(frameSize) / Double(max(photo.height, photo.width))
        let side = { (pixels: Int) in max(1, Int((Double(pixels) * scale + 0.5).rounded(.down))) }
        return PixelSize(height: side(photo.height), width: side(photo.width))
    }

    /// Convert a point in pixels of the photo to pixels of the frame. Only the result is rounded to float32.
    public func toFrame(_ point: Point) -> Point {
        let resized = resized
        let x = point.x * (Double(resized.width) / Double(photo.width))
        let y = point.y * (Double(resized.height) / Double(photo.height))
        return Point(x: Double(Float(x)), y: Double(Float(y)))
    }
}
