/// A photo with 8 bits for each channel.
public struct Photo: Hashable, Sendable {
    public let size: PixelSize
    /// Red, green and blue of each pixel, row by row from the top: `size.area` × 3 bytes.
    public let rgb: [UInt8]

    public init(size: PixelSize, rgb: [UInt8]) {
        precondition(rgb.count == size.area * 3, "a photo has three bytes a pixel")
        self.size = size
        self.rgb = rgb
    }

    /// The photo turned upright, whichever way the camera was held.
    ///
    /// - Parameter orientation: Exif's tag 274, 1 to 8, which says where the first row and the first column
    ///   belong. Any other number counts as 1, which changes nothing.
    public func upright(exifOrientation orientation: Int) -> Photo {
        guard (2...8).contains(orientation) else { return self }
        let turned = orientation >= 5
        let upright = turned ? PixelSize(height: size.width, width: size.height) : size
        var pixels = [UInt8](repeating: 0, count: rgb.count)
        for row in 0..<upright.height {
            for column in 0..<upright.width {
                let (sourceRow, sourceColumn) = source(row, column, orientation)
                let from = (sourceRow * size.width + sourceColumn) * 3
                let to = (row * upright.width + column) * 3
                pixels[to] = rgb[from]
                pixels[to + 1] = rgb[from + 1]
                pixels[to + 2] = rgb[from + 2]
            }
        }
        return Photo(size: upright, rgb: pixels)
    }

    /// Where a pixel of the upright photo is stored (Exif 2.3, table 6, tag Orientation).
    private func source(_ row: Int, _ column: Int, _ orientation: Int) -> (row: Int, column: Int) {
        let bottom = size.height - 1
        let right = size.width - 1
        switch orientation {
        case 2: return (row, right - column)
        case 3: return (bottom - row, right - column)
        case 4: return (bottom - row, column)
        case 5: return (column, row)
        case 6: return (bottom - column, row)
        case 7: return (bottom - column, right - row)
        default: return (column, right - row)
        }
    }
}
