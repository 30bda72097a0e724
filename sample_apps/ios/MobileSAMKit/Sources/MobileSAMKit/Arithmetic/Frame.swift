/// A photo in the square frame that the image encoder takes. The rest of the frame has one color.
public struct Frame: Hashable, Sendable {
    /// Where in the frame the photo lies.
    public let geometry: FrameGeometry
    /// Red, green and blue of each pixel, row by row from the top.
    public let rgb: [UInt8]

    /// Resize `photo` so that its longest side is `frameSize`, and place it at the top left, as
    /// `photo_to_frame` in reference/photos/preprocessing.py does.
    ///
    /// - Parameter paddingRgb: red, green and blue, 0…255, of the area right of and below the photo. Fractions
    ///   are dropped, because a frame has 8 bits for each channel.
    public init(_ photo: Photo, frameSize: Int, paddingRgb: [Float]) {
        let geometry = FrameGeometry(photo: photo.size, frameSize: frameSize)
        let resized = PhotoResizer.resize(photo, to: geometry.resized)
        let filling = Array(repeatElement(paddingRgb.map { UInt8($0) }, count: frameSize).joined())
        var rgb: [UInt8] = []
        rgb.reserveCapacity(frameSize * frameSize * 3)
        for row in 0..<frameSize {
            let pixels = row < resized.size.height ? resized.size.width : 0
            rgb += resized.rgb[(row * pixels * 3)..<((row + 1) * pixels * 3)]
            rgb += filling[(pixels * 3)...]
        }
        self.geometry = geometry
        self.rgb = rgb
    }
}
