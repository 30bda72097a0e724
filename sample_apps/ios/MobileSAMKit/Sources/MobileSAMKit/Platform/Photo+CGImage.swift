#if canImport(ImageIO)
import CoreGraphics
import Foundation
import ImageIO

extension Photo {
    /// A photo with a longer side is decoded so that its longest side has this many pixels, because 48
    /// megapixels take more memory than an app has. A photo of 12 megapixels keeps its size.
    public static let longestSide = 4096

    /// Decode a photo's file, turn it upright and convert it to sRGB.
    ///
    /// - Throws: `PhotoError` if the file is not an image that the system can decode.
    public init(file: Data) throws {
        let unreadable = PhotoError("the photo cannot be read: choose another one")
        guard let source = CGImageSourceCreateWithData(file as CFData, nil) else {
            throw unreadable
        }
        let properties =
            CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any] ?? [:]
        let sides = [kCGImagePropertyPixelWidth, kCGImagePropertyPixelHeight]
            .map { properties[$0] as? Int ?? 0 }
        let image: CGImage?
        if sides.allSatisfy({ $0 <= Self.longestSide }) {
            image = CGImageSourceCreateImageAtIndex(source, 0, nil)
        } else {
            let options: [CFString: Any] = [
                kCGImageSourceCreateThumbnailFromImageAlways: true,
                kCGImageSourceThumbnailMaxPixelSize: Self.longestSide,
            ]
            image = CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary)
        }
        guard let image, let stored = Photo(image) else { throw unreadable }
        let orientation = properties[kCGImagePropertyOrientation] as? Int ?? 1
        self = stored.upright(exifOrientation: orientation)
    }

    /// The pixels of an image as they are stored, in sRGB. Nil if there is no memory for them.
    private init?(_ image: CGImage) {
        let size = PixelSize(height: image.height, width: image.width)
        var rgba = [UInt8](repeating: 0, count: size.area * 4)
        let drawn = rgba.withUnsafeMutableBytes { bytes in
            let context = CGContext(
                data: bytes.baseAddress, width: size.width, height: size.height,
                bitsPerComponent: 8, bytesPerRow: size.width * 4,
                space: CGColorSpace(name: CGColorSpace.sRGB)!,
                bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            context?.draw(
                image, in: CGRect(x: 0, y: 0, width: size.width, height: size.height))
            return context != nil
        }
        guard drawn else { return nil }
        let rgb = [UInt8](unsafeUninitializedCapacity: size.area * 3) { rgb, count in
            for pixel in 0..<size.area {
                for channel in 0..<3 { rgb[pixel * 3 + channel] = rgba[pixel * 4 + channel] }
            }
            count = size.area * 3
        }
        self.init(size: size, rgb: rgb)
    }

    /// Make an image of the photo for the screen.
    public func cgImage() -> CGImage? {
        CGImage.make(
            size, rgb, channels: 3, CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue))
    }
}

extension Mask {
    /// Make an image of the mask for the screen: `color` where the object is, and transparent elsewhere.
    ///
    /// - Parameter color: red, green, blue and opacity, 0…255. The first three are already multiplied by the
    ///   opacity.
    public func cgImage(color: [UInt8]) -> CGImage? {
        let bytes = [UInt8](unsafeUninitializedCapacity: size.area * 4) { bytes, count in
            for (index, inside) in pixels.enumerated() {
                for channel in 0..<4 { bytes[index * 4 + channel] = inside ? color[channel] : 0 }
            }
            count = size.area * 4
        }
        return CGImage.make(
            size, bytes, channels: 4,
            CGBitmapInfo(rawValue: CGImageAlphaInfo.premultipliedLast.rawValue))
    }
}

extension CGImage {
    fileprivate static func make(
        _ size: PixelSize, _ bytes: [UInt8], channels: Int, _ bitmapInfo: CGBitmapInfo
    ) -> CGImage? {
        guard let provider = CGDataProvider(data: Data(bytes) as CFData) else { return nil }
        return CGImage(
            width: size.width, height: size.height, bitsPerComponent: 8,
            bitsPerPixel: channels * 8, bytesPerRow: size.width * channels,
            space: CGColorSpace(name: CGColorSpace.sRGB)!, bitmapInfo: bitmapInfo,
            provider: provider, decode: nil, shouldInterpolate: true,
            intent: .defaultIntent)
    }
}
#endif
