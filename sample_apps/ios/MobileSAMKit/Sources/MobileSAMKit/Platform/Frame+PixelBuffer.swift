#if canImport(CoreVideo)
import CoreVideo

extension Frame {
    /// The frame as the 8-bit image that Core ML takes.
    func pixelBuffer() throws -> CVPixelBuffer {
        let side = geometry.frameSize
        var created: CVPixelBuffer?
        let status = CVPixelBufferCreate(
            nil, side, side, kCVPixelFormatType_32BGRA, nil, &created)
        guard let buffer = created, status == kCVReturnSuccess else {
            throw PhotoError(
                "no memory for a frame of \(side) × \(side) pixels (CVReturn \(status)): close other apps")
        }
        CVPixelBufferLockBaseAddress(buffer, [])
        defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
        guard let base = CVPixelBufferGetBaseAddress(buffer) else {
            throw PhotoError("the frame's memory cannot be reached: start the app again")
        }
        let stride = CVPixelBufferGetBytesPerRow(buffer)
        for row in 0..<side {
            let line = (base + row * stride).assumingMemoryBound(to: UInt8.self)
            for column in 0..<side {
                let pixel = (row * side + column) * 3
                line[column * 4] = rgb[pixel + 2]
                line[column * 4 + 1] = rgb[pixel + 1]
                line[column * 4 + 2] = rgb[pixel]
                line[column * 4 + 3] = 255
            }
        }
        return buffer
    }
}
#endif
