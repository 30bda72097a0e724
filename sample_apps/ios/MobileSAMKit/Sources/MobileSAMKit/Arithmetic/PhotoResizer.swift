/// Bilinear, antialiased resizing in 8 bits: bit for bit what Pillow's `Image.resize(…, BILINEAR)` computes.
///
/// Rows are resized first, then columns, and each pass rounds to 8 bits. A pass that would change nothing is
/// left out. Source: `src/libImaging/Resample.c` of Pillow.
enum PhotoResizer {
    /// Bits after a weight's binary point: 32 bits, less 8 for the pixel and 2 for the sum and its sign.
    private static let precision = 22

    static func resize(_ photo: Photo, to size: PixelSize) -> Photo {
        var resized = photo
        if resized.size.width != size.width {
            resized = resizeRows(resized, width: size.width)
        }
        if resized.size.height != size.height {
            resized = resizeColumns(resized, height: size.height)
        }
        return resized
    }

    /// The part of a source line that one pixel of the result is the weighted mean of.
    private struct Window {
        let first: Int
        let weights: [Int32]
    }

    private static func windows(from length: Int, to resizedLength: Int) -> [Window] {
        let scale = Double(length) / Double(resizedLength)
        let support = max(scale, 1)  // of a triangle as wide as two pixels of the coarser line
        return (0..<resizedLength).map { index in
            let center = (Double(index) + 0.5) * scale
            let first = max(0, Int(center - support + 0.5))
            let end = min(length, Int(center + support + 0.5))
            let weights = (first..<end).map { position in
                max(0, 1 - abs((Double(position) - center + 0.5) * (1 / support)))
            }
            let sum = weights.reduce(0, +)
            return Window(
                first: first,
                weights: weights.map { Int32(0.5 + $0 / sum * Double(1 << precision)) })
        }
    }

    private static func resizeRows(_ photo: Photo, width: Int) -> Photo {
        let windows = windows(from: photo.size.width, to: width)
        let size = PixelSize(height: photo.size.height, width: width)
        let stride = photo.size.width * 3
        return fill(size, from: photo) { source, result in
            for row in 0..<size.height {
                for column in 0..<width {
                    let start = row * stride + windows[column].first * 3
                    let at = (row * width + column) * 3
                    weigh(source, start, step: 3, windows[column], into: result, at)
                }
            }
        }
    }

    private static func resizeColumns(_ photo: Photo, height: Int) -> Photo {
        let windows = windows(from: photo.size.height, to: height)
        let size = PixelSize(height: height, width: photo.size.width)
        let stride = photo.size.width * 3
        return fill(size, from: photo) { source, result in
            for row in 0..<height {
                for column in 0..<size.width {
                    let start = windows[row].first * stride + column * 3
                    let at = row * stride + column * 3
                    weigh(source, start, step: stride, windows[row], into: result, at)
                }
            }
        }
    }

    /// Make a photo of `size` whose bytes `write` computes from those of `photo`.
    private static func fill(
        _ size: PixelSize, from photo: Photo,
        _ write: (UnsafeBufferPointer<UInt8>, UnsafeMutableBufferPointer<UInt8>) -> Void
    ) -> Photo {
        let count = size.area * 3
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { result, initialized in
            photo.rgb.withUnsafeBufferPointer { write($0, result) }
            initialized = count
        }
        return Photo(size: size, rgb: bytes)
    }

    /// Compute one pixel: three weighted means of `window.weights.count` bytes that lie `step` apart.
    @inline(__always)
    private static func weigh(
        _ source: UnsafeBufferPointer<UInt8>, _ start: Int, step: Int, _ window: Window,
        into result: UnsafeMutableBufferPointer<UInt8>, _ at: Int
    ) {
        var red: Int32 = 1 << (precision - 1)
        var green = red
        var blue = red
        var position = start
        for weight in window.weights {
            red &+= Int32(source[position]) &* weight
            green &+= Int32(source[position + 1]) &* weight
            blue &+= Int32(source[position + 2]) &* weight
            position += step
        }
        result[at] = UInt8(clamping: red >> precision)
        result[at + 1] = UInt8(clamping: green >> precision)
        result[at + 2] = UInt8(clamping: blue >> precision)
    }
}
