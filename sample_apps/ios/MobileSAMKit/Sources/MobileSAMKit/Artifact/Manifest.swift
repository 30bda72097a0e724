import Foundation

/// What an artifact's manifest.json says: every size, name and constant that the app uses.
public struct Manifest: Hashable, Sendable {
    public static let file = "manifest.json"
    public static let schema = "mobile-sam-export/artifact/1"
    public static let format = "coreml"

    public let model: String
    public let scheme: String
    /// The oldest iOS that the packages run on, such as "iOS16".
    public let deploymentTarget: String
    public let checkpoint: Checkpoint
    /// S, the side of the frame that the image encoder takes, in pixels.
    public let frameSize: Int
    /// Red, green and blue, 0…255, of the frame's area right of and below the photo.
    public let paddingRgb: [Float]
    public let promptLayout: PromptLayout
    public let maskChoice: MaskChoice
    /// Side of the mask decoder's masks, in pixels.
    public let lowResSize: Int
    /// A pixel belongs to the object if its logit is above this value.
    public let threshold: Float
    public let imageEncoder: Component
    public let maskDecoder: Component
    /// Path of goldens.json below the artifact's folder.
    public let goldens: String
    /// Every file of the artifact except the manifest, by its path below the artifact's folder.
    public let files: [String: FileIdentity]

    /// Number of masks in an answer.
    public var numMasks: Int { maskDecoder.outputs.last?.shape.last ?? 0 }
}

extension Manifest {
    /// Read a manifest.json.
    ///
    /// - Throws: `ArtifactError` if `json` is not a manifest, has another schema, is for another platform, or
    ///   contradicts itself.
    public init(json: Data) throws {
        self = try readManifest(json)
        try requireInterface(self)
    }
}

/// The weights that the artifact was converted from.
public struct Checkpoint: Hashable, Sendable, Decodable {
    /// In lower-case hexadecimal.
    public let sha256: String
    /// Whether the weights were trained. Masks of seeded weights mean nothing.
    public let trained: Bool
}

/// A model's package, below the artifact's folder, with its inputs and outputs in their order.
public struct Component: Hashable, Sendable, Decodable {
    public let file: String
    public let inputs: [TensorSpec]
    public let outputs: [TensorSpec]
}

/// An input or output of a model.
public struct TensorSpec: Hashable, Sendable, Decodable {
    public let name: String
    public let shape: [Int]

    /// Number of scalars in the tensor.
    public var size: Int { shape.reduce(1, *) }
}

/// A file's size in bytes and its SHA-256 in lower-case hexadecimal.
public struct FileIdentity: Hashable, Sendable, Codable {
    public let bytes: Int
    public let sha256: String

    public init(bytes: Int, sha256: String) {
        self.bytes = bytes
        self.sha256 = sha256
    }
}
