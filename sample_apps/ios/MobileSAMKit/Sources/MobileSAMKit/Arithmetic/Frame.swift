/// A photo in the square frame that the image encoder takes. The rest of the frame has one color.
public struct Frame: Hashable, Sendable {
    /// The frame's side in pixels.
    public let side: Int
    /// Red, green and blue of each pixel, row by row from the top.
    public let rgb: [UInt8]

    /// Resize `photo` so that its longest side is `side`, and place it at the top left, as `photo_to_frame`
    /// in reference/photos/preprocessing.py does.
    ///
    /// - Parameter padding: red, green and blue of the area right of and below the photo.
    public init(_ photo: Photo, side: Int, padding: [UInt8]) {
        let geometry = FrameGeometry(photo: photo.size, frameSize: side)
        let resized = PhotoResizer.resize(photo, to: geometry.resized)
        let filling = Array(repeatElement(padding, count: side).joined())
        var rgb: [UInt8] = []
        rgb.reserveCapacity(side * side * 3)
        for row in 0..<side {
            let pixels = row < resized.size.height ? resized.size.width : 0
            rgb += resized.rgb[(row * pixels * 3)..<((row + 1) * pixels * 3)]
            rgb += filling[(pixels * 3)...]
        }
        self.side = side
        self.rgb = rgb
    }
}
