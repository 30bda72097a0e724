import Foundation

/// Read a manifest.json: see `Manifest.init(json:)`. Whether its entries fit each other is not checked here.
func readManifest(_ json: Data) throws -> Manifest {
    guard let header = try? JSONDecoder().decode(Header.self, from: json) else {
        throw ArtifactError("\(Manifest.file) is not a manifest: copy the artifact again")
    }
    guard header.schema == Manifest.schema else {
        throw ArtifactError(
            "the artifact's schema is '\(header.schema)': expected '\(Manifest.schema)'; convert again "
                + "with the version that this app comes from")
    }
    guard header.format == Manifest.format else {
        throw ArtifactError(
            "the artifact is of format '\(header.format)': expected '\(Manifest.format)'; use 'convert coreml'")
    }
    guard let record = try? JSONDecoder().decode(ManifestRecord.self, from: json),
        record.prompts.emptySlotCoordinates.count == 2
    else {
        throw ArtifactError("\(Manifest.file) lacks what its schema asks for: convert again")
    }
    for path in record.files.keys {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        if parts.contains(where: { ["", ".", ".."].contains($0) }) {
            throw ArtifactError(
                "\(Manifest.file): the path '\(path)' leaves the artifact: convert again")
        }
    }
    return manifest(record)
}

private func manifest(_ record: ManifestRecord) -> Manifest {
    Manifest(
        model: record.model,
        scheme: record.scheme,
        deploymentTarget: record.deploymentTarget,
        checkpoint: record.checkpoint,
        frameSize: record.preprocessing.frameSize,
        paddingRgb: record.preprocessing.paddingRgb,
        promptLayout: promptLayout(record.promptSlots, record.prompts),
        maskChoice: MaskChoice(
            singleMaskIndex: record.masks.singleMaskIndex,
            multimaskIndices: record.masks.multimaskIndices),
        lowResSize: record.masks.lowResSize,
        threshold: record.masks.threshold,
        imageEncoder: record.components.imageEncoder,
        maskDecoder: record.components.maskDecoder,
        goldens: record.goldens,
        files: record.files)
}

private func promptLayout(_ slots: Int, _ prompts: ManifestRecord.Prompts) -> PromptLayout {
    let labels = prompts.labels
    let empty = prompts.emptySlotCoordinates
    return PromptLayout(
        slots: slots,
        labels: PromptLabels(
            backgroundPoint: labels.backgroundPoint, objectPoint: labels.objectPoint,
            boxTopLeft: labels.boxTopLeft, boxBottomRight: labels.boxBottomRight,
            emptySlot: labels.emptySlot),
        emptySlotCoordinates: Point(x: empty[0], y: empty[1]))
}

/// What says whether the rest can be read.
private struct Header: Decodable {
    let schema: String
    let format: String
}

/// The entries of manifest.json that the app uses, as they are nested there.
private struct ManifestRecord: Decodable {
    let model: String
    let scheme: String
    let promptSlots: Int
    let deploymentTarget: String
    let checkpoint: Checkpoint
    let preprocessing: Preprocessing
    let prompts: Prompts
    let masks: Masks
    let components: Components
    let goldens: String
    let files: [String: FileIdentity]

    enum CodingKeys: String, CodingKey {
        case model, scheme, checkpoint, preprocessing, prompts, masks, components, goldens, files
        case promptSlots = "prompt_slots"
        case deploymentTarget = "deployment_target"
    }

    struct Preprocessing: Decodable {
        let frameSize: Int
        let paddingRgb: [Float]

        enum CodingKeys: String, CodingKey {
            case frameSize = "frame_size"
            case paddingRgb = "padding_rgb"
        }
    }

    struct Prompts: Decodable {
        let labels: Labels
        let emptySlotCoordinates: [Double]

        enum CodingKeys: String, CodingKey {
            case labels
            case emptySlotCoordinates = "empty_slot_coordinates"
        }
    }

    struct Labels: Decodable {
        let backgroundPoint: Int
        let objectPoint: Int
        let boxTopLeft: Int
        let boxBottomRight: Int
        let emptySlot: Int

        enum CodingKeys: String, CodingKey {
            case backgroundPoint = "background_point"
            case objectPoint = "object_point"
            case boxTopLeft = "box_top_left"
            case boxBottomRight = "box_bottom_right"
            case emptySlot = "empty_slot"
        }
    }

    struct Masks: Decodable {
        let lowResSize: Int
        let singleMaskIndex: Int
        let multimaskIndices: [Int]
        let threshold: Float

        enum CodingKeys: String, CodingKey {
            case threshold
            case lowResSize = "low_res_size"
            case singleMaskIndex = "single_mask_index"
            case multimaskIndices = "multimask_indices"
        }
    }

    struct Components: Decodable {
        let imageEncoder: Component
        let maskDecoder: Component

        enum CodingKeys: String, CodingKey {
            case imageEncoder = "image_encoder"
            case maskDecoder = "mask_decoder"
        }
    }
}
