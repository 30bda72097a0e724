/// What runs the two models of an artifact.
///
/// An engine is not thread-safe, and need not be: whoever loads one keeps it to itself. In the app that is the
/// actor `Segmenter`.
public protocol SegmentationEngine {
    /// - Returns: the photo's embeddings, `image_embeddings` in C order.
    func encode(_ frame: Frame) throws -> [Float]

    /// - Parameter imageEmbeddings: what `encode` gave for the photo.
    func decode(_ prompt: SlotPrompt, imageEmbeddings: [Float]) throws -> DecoderAnswer
}

/// What the mask decoder says to one prompt.
public struct DecoderAnswer: Hashable, Sendable {
    /// `low_res_masks` in C order: logits of each mask in turn, over the whole frame.
    public let lowResMasks: [Float]
    /// One predicted IoU a mask, about 0…1.
    public let scores: [Float]

    /// - Throws: `MobileSAMError` if the numbers are not as many as `manifest` says.
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

    /// The logits of one mask: as many as `mask_input` takes.
    public func lowResMask(_ index: Int) -> [Float] {
        let count = lowResMasks.count / scores.count
        return Array(lowResMasks[(index * count)..<((index + 1) * count)])
    }

    /// One mask at the photo's own size.
    public func mask(_ index: Int, geometry: FrameGeometry, manifest: Manifest) -> Mask {
        MaskResizer(geometry: geometry).mask(
            lowRes: lowResMask(index), lowResSize: manifest.masks.lowResSize,
            threshold: manifest.masks.threshold)
    }
}
