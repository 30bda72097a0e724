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

    /// [x, y, width, height] around the object, in pixels, as COCO's `bbox`. All are 0 for an empty mask.
    public var boundingBox: [Int] {
        var (left, right, top, bottom) = (size.width, -1, size.height, -1)
        for row in 0..<size.height {
            for column in 0..<size.width where pixels[row * size.width + column] {
                left = min(left, column)
                right = max(right, column)
                top = min(top, row)
                bottom = row
            }
        }
        return right < 0 ? [0, 0, 0, 0] : [left, top, right - left + 1, bottom - top + 1]
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
