import Foundation
import XCTest

@testable import MobileSAMKit

/// The numbers of the Python reference: sample_apps/vectors/vectors.json.
struct GoldenVectors: Decodable {
    let geometry: [Geometry]
    let resize: [Resize]
    let slots: [Slots]
    let masks: [Masks]
    let rle: [Runs]
    let iou: [Overlap]
    let choice: [Choice]

    struct Geometry: Decodable {
        let photo: [Int]
        let frameSize: Int
        let resized: [Int]
        let points: [[Double]]
        let pointsInFrame: [[Double]]
    }

    struct Resize: Decodable {
        struct Pixels: Decodable {
            let height: Int
            let width: Int
            let rgb: Data
        }
        let photo: Pixels
        let frameSize: Int
        let paddingRgb: [Float]
        let frame: Data
    }

    struct Slots: Decodable {
        let promptSlots: Int
        let points: [[Double]]
        let labels: [Int]
        let box: [Double]?
        let pointCoords: [[Float]]?
        let pointLabels: [Float]?
        let error: Bool?
    }

    struct Masks: Decodable {
        struct Logits: Decodable {
            let size: Int
            let logits: Data
        }
        let lowRes: Logits
        let frameSize: Int
        let photo: [Int]
        let logits: Data
        let mask: RunLengthEncoding
    }

    struct Runs: Decodable {
        let size: [Int]
        let counts: String
        let runs: [Int]
        let area: Int
        let bbox: [Int]
    }

    struct Overlap: Decodable {
        let a: RunLengthEncoding
        let b: RunLengthEncoding
        let iou: Double
    }

    struct Choice: Decodable {
        let scores: [Float?]  // nil is NaN, which JSON cannot write
        let points: Int
        let hasBox: Bool
        let hasMask: Bool
        let shown: Int
    }

    /// Read the file that MOBILE_SAM_VECTORS names, or else the repository's.
    static func read() throws -> GoldenVectors {
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../../../vectors/vectors.json").standardizedFileURL
        let named = ProcessInfo.processInfo.environment["MOBILE_SAM_VECTORS"]
        let url = named.map { URL(fileURLWithPath: $0) } ?? repository
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(GoldenVectors.self, from: Data(contentsOf: url))
    }
}

extension PixelSize {
    /// From [height, width].
    init(_ sides: [Int]) {
        self.init(height: sides[0], width: sides[1])
    }
}

extension Data {
    /// Little-endian float32.
    var floats: [Float] {
        withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}
