/// Which pixels of a photo belong to an object.
public struct Mask: Hashable, Sendable {
    public let size: PixelSize
    /// Whether each pixel belongs to the object, row by row from the top.
    public let pixels: [Bool]

    public init(size: PixelSize, pixels: [Bool]) {
        precondition(pixels.count == size.area, "a mask has one truth value a pixel")
        self.size = size
        self.pixels = pixels
    }

    /// Number of pixels that belong to the object.
    public var area: Int {
        pixels.reduce(0) { $0 + ($1 ? 1 : 0) }
    }

    /// The smallest box around the object. An empty mask has an empty box.
    public var boundingBox: PixelBox {
        var (left, right, top, bottom) = (size.width, 0, size.height, 0)
        for row in 0..<size.height {
            for column in 0..<size.width where pixels[row * size.width + column] {
                left = min(left, column)
                right = max(right, column + 1)
                top = min(top, row)
                bottom = row + 1
            }
        }
        return right == 0
            ? PixelBox(left: 0, top: 0, right: 0, bottom: 0)
            : PixelBox(left: left, top: top, right: right, bottom: bottom)
    }

    /// Intersection over union with a mask of the same size, 0…1. Two empty masks have 1.
    ///
    /// - Precondition: both masks have the same size.
    public func iou(_ other: Mask) -> Double {
        precondition(size == other.size, "masks of one photo have one size")
        var intersection = 0
        var union = 0
        for (mine, theirs) in zip(pixels, other.pixels) {
            intersection += mine && theirs ? 1 : 0
            union += mine || theirs ? 1 : 0
        }
        return union == 0 ? 1 : Double(intersection) / Double(union)
    }
}
