import Foundation

/// What an artifact's manifest.json says: every size, name and constant that the app uses.
public struct Manifest: Hashable, Sendable, Decodable {
    public static let schema = "mobile-sam-export/artifact/1"
    public static let file = "manifest.json"

    public let schema: String
    public let model: String
    public let format: String
    public let scheme: String
    public let promptSlots: Int
    /// The oldest iOS that the packages run on, such as "iOS16".
    public let deploymentTarget: String
    public let checkpoint: Checkpoint
    public let preprocessing: Preprocessing
    public let prompts: Prompts
    public let masks: Masks
    public let components: Components
    /// Path of goldens.json below the artifact's folder.
    public let goldens: String
    /// Every file of the artifact except the manifest, by its path below the artifact's folder.
    public let files: [String: FileIdentity]

    public struct Checkpoint: Hashable, Sendable, Decodable {
        public let sha256: String
        /// Whether the weights were trained. Masks of seeded weights mean nothing.
        public let trained: Bool
    }

    public struct Preprocessing: Hashable, Sendable, Decodable {
        public let frameSize: Int
        /// Red, green and blue, 0…255.
        public let paddingRGB: [Double]

        enum CodingKeys: String, CodingKey {
            case frameSize = "frame_size"
            case paddingRGB = "padding_rgb"
        }
    }

    public struct Prompts: Hashable, Sendable, Decodable {
        public let labels: PromptLabels
        public let emptySlotCoordinates: [Double]

        enum CodingKeys: String, CodingKey {
            case labels
            case emptySlotCoordinates = "empty_slot_coordinates"
        }
    }

    public struct Masks: Hashable, Sendable, Decodable {
        public let lowResSize: Int
        public let singleMaskIndex: Int
        public let multimaskIndices: [Int]
        public let threshold: Float

        enum CodingKeys: String, CodingKey {
            case threshold
            case lowResSize = "low_res_size"
            case singleMaskIndex = "single_mask_index"
            case multimaskIndices = "multimask_indices"
        }
    }

    public struct Components: Hashable, Sendable, Decodable {
        public let imageEncoder: Component
        public let maskDecoder: Component

        enum CodingKeys: String, CodingKey {
            case imageEncoder = "image_encoder"
            case maskDecoder = "mask_decoder"
        }
    }

    /// A file or package that is loaded, with its inputs and outputs in their order.
    public struct Component: Hashable, Sendable, Decodable {
        public let file: String
        public let inputs: [Tensor]
        public let outputs: [Tensor]
    }

    public struct Tensor: Hashable, Sendable, Decodable {
        public let name: String
        public let shape: [Int]
    }

    public struct FileIdentity: Hashable, Sendable, Codable {
        public let bytes: Int
        public let sha256: String

        public init(bytes: Int, sha256: String) {
            self.bytes = bytes
            self.sha256 = sha256
        }
    }

    enum CodingKeys: String, CodingKey {
        case schema, model, format, scheme, checkpoint, preprocessing, prompts, masks, components
        case goldens, files
        case promptSlots = "prompt_slots"
        case deploymentTarget = "deployment_target"
    }

    public var promptLayout: PromptLayout {
        let empty = prompts.emptySlotCoordinates
        return PromptLayout(
            slots: promptSlots, labels: prompts.labels,
            emptyCoordinates: Point(x: empty[0], y: empty[1]))
    }

    public var maskChoice: MaskChoice {
        MaskChoice(
            singleMaskIndex: masks.singleMaskIndex, multimaskIndices: masks.multimaskIndices)
    }

    /// The color of the frame's area right of and below the photo, in 8 bits for each channel.
    public var padding: [UInt8] {
        preprocessing.paddingRGB.map { UInt8($0) }
    }
}
