/// Enlarges the decoder's mask logits to logits, or to a mask, at the photo's size.
///
/// Logits are enlarged to the frame, cropped to the photo's part, and enlarged to the photo's size, as by
/// `masks_to_photo` in reference/photos/preprocessing.py. Both enlargements are those of PyTorch's
/// `interpolate(mode="bilinear", align_corners=False)` in float32: the centers of pixels lie at half
/// coordinates.
public struct MaskResizer: Sendable {
    private let geometry: FrameGeometry
    private let lowResSize: Int

    /// - Parameters:
    ///   - geometry: where in the frame the photo lies.
    ///   - lowResSize: side of the mask decoder's masks, in pixels.
    public init(geometry: FrameGeometry, lowResSize: Int) {
        self.geometry = geometry
        self.lowResSize = lowResSize
    }

    /// Enlarge logits to the photo's size: `geometry.photo.area` numbers, row by row from the top.
    ///
    /// - Parameter lowRes: `lowResSize` × `lowResSize` logits over the whole frame, row by row from the top.
    public func logits(_ lowRes: [Float]) -> [Float] {
        var logits: [Float] = []
        logits.reserveCapacity(geometry.photo.area)
        forEachRow(lowRes) { logits += $0 }
        return logits
    }

    /// The mask of the photo's pixels whose logits are above `threshold`.
    ///
    /// Rows are computed one by one, because a large photo's logits would take four times as much memory as
    /// its mask.
    public func mask(_ lowRes: [Float], threshold: Float) -> Mask {
        var pixels: [Bool] = []
        pixels.reserveCapacity(geometry.photo.area)
        forEachRow(lowRes) { row in
            for logit in row { pixels.append(logit > threshold) }
        }
        return Mask(size: geometry.photo, pixels: pixels)
    }

    private func forEachRow(_ lowRes: [Float], _ use: (UnsafeBufferPointer<Float>) -> Void) {
        precondition(lowRes.count == lowResSize * lowResSize, "a mask has lowResSize² logits")
        let frame = PixelSize(height: geometry.frameSize, width: geometry.frameSize)
        let area = geometry.resized
        let toFrame = Interpolation(
            from: PixelSize(height: lowResSize, width: lowResSize), to: frame, cropped: area)
        var cropped: [Float] = []
        cropped.reserveCapacity(area.area)
        toFrame.forEachRow(of: lowRes) { cropped += $0 }
        Interpolation(from: area, to: geometry.photo, cropped: geometry.photo)
            .forEachRow(of: cropped, use)
    }
}

/// Bilinear interpolation of a plane of float32. Only the top left part of the result is computed.
private struct Interpolation {
    private let sourceWidth: Int
    private let rows: [Neighbors]
    private let columns: [Neighbors]

    init(from source: PixelSize, to size: PixelSize, cropped: PixelSize) {
        sourceWidth = source.width
        rows = Neighbors.along(source.height, to: size.height, count: cropped.height)
        columns = Neighbors.along(source.width, to: size.width, count: cropped.width)
    }

    /// The two pixels of a source line that one pixel of the result lies between, and their weights.
    private struct Neighbors {
        let first: Int
        let second: Int
        let firstWeight: Float
        let secondWeight: Float

        static func along(_ length: Int, to resizedLength: Int, count: Int) -> [Neighbors] {
            let scale = Float(length) / Float(resizedLength)
            return (0..<count).map { index in
                let position = max(0, scale * (Float(index) + 0.5) - 0.5)
                let first = min(Int(position), length - 1)
                let weight = min(max(position - Float(first), 0), 1)
                return Neighbors(
                    first: first, second: min(first + 1, length - 1),
                    firstWeight: 1 - weight, secondWeight: weight)
            }
        }
    }

    /// A weighted mean that is rounded as in PyTorch, bit for bit: once after the second product, and once
    /// after a fused multiply-add with the first.
    @inline(__always)
    private func mean(_ first: Float, _ second: Float, _ neighbors: Neighbors) -> Float {
        (second * neighbors.secondWeight).addingProduct(first, neighbors.firstWeight)
    }

    func forEachRow(of source: [Float], _ use: (UnsafeBufferPointer<Float>) -> Void) {
        var line = [Float](repeating: 0, count: columns.count)
        source.withUnsafeBufferPointer { source in
            for row in rows {
                let upper = row.first * sourceWidth
                let lower = row.second * sourceWidth
                line.withUnsafeMutableBufferPointer { line in
                    for (index, column) in columns.enumerated() {
                        let above = mean(
                            source[upper + column.first], source[upper + column.second], column)
                        let below = mean(
                            source[lower + column.first], source[lower + column.second], column)
                        line[index] = mean(above, below, row)
                    }
                }
                line.withUnsafeBufferPointer(use)
            }
        }
    }
}
