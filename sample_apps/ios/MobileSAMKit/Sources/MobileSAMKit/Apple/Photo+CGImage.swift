#if canImport(ImageIO)
import CoreGraphics
import Foundation
import ImageIO

extension Photo {
    /// Photos with a longer side are decoded to this one: 48 megapixels would take more memory than an app has.
    /// What a 12-megapixel camera takes is decoded as it is.
    public static let longestSide = 4096

    /// Decode a photo's file: turned upright, in sRGB.
    ///
    /// - Throws: `MobileSAMError` if it is no image that the system knows.
    public init(file: Data) throws {
        let unreadable = MobileSAMError("the photo cannot be read: choose another one")
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

    /// The pixels of an image as they are stored, in sRGB; nil if there is no memory for them.
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

    /// The photo for the screen.
    public func cgImage() -> CGImage? {
        CGImage.make(
            size, rgb, channels: 3, CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue))
    }
}

extension Mask {
    /// The mask for the screen: `color` where the object is, nothing elsewhere.
    ///
    /// - Parameter color: red, green, blue and opacity, 0…255, the first three already times opacity.
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
