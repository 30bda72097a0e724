/// Runs the two models of an artifact.
///
/// An engine is not thread-safe. Only its owner uses it, which is the actor `Segmenter` in the app.
public protocol SegmentationEngine {
    /// - Returns: the photo's `image_embeddings` in C order.
    func encode(_ frame: Frame) throws -> [Float]

    /// - Parameter imageEmbeddings: what `encode` returned for the photo.
    func decode(_ prompt: SlotPrompt, imageEmbeddings: [Float]) throws -> DecoderAnswer
}

/// The mask decoder's answer to one prompt.
public struct DecoderAnswer: Hashable, Sendable {
    /// `low_res_masks` in C order: the logits of each mask over the whole frame.
    public let lowResMasks: [Float]
    /// The model's own estimate of each mask's IoU, about 0…1.
    public let scores: [Float]

    /// - Throws: `MobileSAMError` if `manifest` says that there are more or fewer numbers.
    public init(lowResMasks: [Float], scores: [Float], manifest: Manifest) throws {
        let outputs = manifest.components.maskDecoder.outputs
        let expected = outputs.map { $0.shape.reduce(1, *) }
        guard [lowResMasks.count, scores.count] == expected else {
            throw MobileSAMError(
                "the mask decoder gave \(lowResMasks.count) logits and \(scores.count) scores: expected "
                    + "\(expected[0]) and \(expected[1]); convert again")
        }
        self.lowResMasks = lowResMasks
        self.scores = scores
    }

    /// The low-resolution logits of one mask, which `mask_input` takes.
    public func lowResMask(_ index: Int) -> [Float] {
        let count = lowResMasks.count / scores.count
        return Array(lowResMasks[(index * count)..<((index + 1) * count)])
    }

    /// One mask at the photo's size.
    public func mask(_ index: Int, geometry: FrameGeometry, manifest: Manifest) -> Mask {
        MaskResizer(geometry: geometry).mask(
            lowRes: lowResMask(index), lowResSize: manifest.masks.lowResSize,
            threshold: manifest.masks.threshold)
    }
}
