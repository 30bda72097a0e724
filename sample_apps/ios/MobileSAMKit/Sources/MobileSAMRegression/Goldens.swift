import Foundation
import MobileSAMKit

/// The photos, prompts and reference answers that an artifact is checked with: its goldens/goldens.json.
public struct Goldens: Sendable, Decodable {
    public static let schema = "mobile-sam-export/goldens/1"

    public let schema: String
    public let photos: [String: GoldenPhoto]
    /// A case whose answer gives the mask input of another case comes before that case.
    public let cases: [GoldenCase]

    /// - Throws: `ArtifactError` if they are missing or damaged, or have another schema.
    public init(of artifact: Artifact) throws {
        let url = artifact.file(artifact.manifest.goldens)
        guard let data = try? Data(contentsOf: url),
            let goldens = try? JSONDecoder().decode(Goldens.self, from: data),
            goldens.schema == Self.schema, !goldens.cases.isEmpty,
            goldens.cases.allSatisfy({ goldens.photos[$0.photo] != nil })
        else {
            throw ArtifactError(
                "\(artifact.manifest.goldens) is missing or damaged: copy the artifact again")
        }
        self = goldens
    }

    /// Read a tensor's file, which lies beside goldens.json and has little-endian float32.
    public static func read(_ tensor: GoldenTensor, of artifact: Artifact) throws -> [Float] {
        let data = try Data(contentsOf: file(tensor.file, of: artifact))
        guard data.count == tensor.shape.reduce(4, *) else {
            throw ArtifactError("\(tensor.file) is cut off: copy the artifact again")
        }
        return [Float](unsafeUninitializedCapacity: data.count / 4) { numbers, count in
            data.copyBytes(to: UnsafeMutableRawBufferPointer(numbers))
            count = data.count / 4
        }
    }

    /// Read the reference answer to a case.
    public func answer(to golden: GoldenCase, of artifact: Artifact) throws -> DecoderAnswer {
        DecoderAnswer(
            lowResMasks: try Self.read(golden.lowResMasks, of: artifact), scores: golden.scores)
    }

    /// The mask input of a case: the low-resolution logits of one mask of an earlier answer, or nil.
    public func maskInput(of golden: GoldenCase, _ artifact: Artifact) throws -> [Float]? {
        guard let earlier = golden.maskInput else { return nil }
        guard let source = cases.first(where: { $0.name == earlier.case }) else {
            throw ArtifactError(
                "the golden case '\(golden.name)' starts from '\(earlier.case)', which is not there: copy the "
                    + "artifact again")
        }
        return try answer(to: source, of: artifact).lowResMask(earlier.index)
    }

    /// A file beside goldens.json, by the name that goldens.json has for it. The manifest has to list it.
    public static func file(_ name: String, of artifact: Artifact) throws -> URL {
        let folder = artifact.manifest.goldens.split(separator: "/").dropLast()
        let path = (folder + [Substring(name)]).joined(separator: "/")
        guard artifact.manifest.files[path] != nil else {
            throw ArtifactError("\(Manifest.file) does not list '\(path)': copy the artifact again")
        }
        return artifact.file(path)
    }
}

public struct GoldenPhoto: Sendable, Decodable {
    public let file: String
    public let height: Int
    public let width: Int
    public let imageEmbeddings: GoldenTensor

    enum CodingKeys: String, CodingKey {
        case file, height, width
        case imageEmbeddings = "image_embeddings"
    }

    public var size: PixelSize { PixelSize(height: height, width: width) }
}

public struct GoldenTensor: Sendable, Decodable {
    public let file: String
    public let shape: [Int]
}

/// A prompt about a photo and the reference answer.
public struct GoldenCase: Sendable, Decodable {
    public let name: String
    public let photo: String
    public let maskInput: MaskInput?
    /// x, y of each slot, in pixels of the frame.
    public let pointCoords: [[Float]]
    public let pointLabels: [Float]
    /// The reference's estimate of each mask's IoU.
    public let scores: [Float]
    public let lowResMasks: GoldenTensor
    /// The reference masks at the photo's size.
    public let masks: [RunLengthEncoding]
    private let points: [[Double]]
    private let labels: [Int]
    private let box: [Double]?

    /// One mask of an earlier case's answer.
    public struct MaskInput: Sendable, Decodable {
        public let `case`: String
        public let index: Int
    }

    enum CodingKeys: String, CodingKey {
        case name, photo, masks, points, labels, box
        case maskInput = "mask_input"
        case pointCoords = "point_coords"
        case pointLabels = "point_labels"
        case scores = "iou_predictions"
        case lowResMasks = "low_res_masks"
    }

    /// The prompt, in pixels of the photo.
    ///
    /// - Parameter maskInput: what `Goldens.maskInput` returns for this case.
    public func prompt(maskInput: [Float]?) -> Prompt {
        Prompt(
            points: zip(points, labels).map {
                .init(Point(x: $0[0], y: $0[1]), isObject: $1 == 1)
            },
            box: box.map { .init(Point(x: $0[0], y: $0[1]), Point(x: $0[2], y: $0[3])) },
            maskInput: maskInput)
    }
}
