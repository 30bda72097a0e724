/// Runs the two models of an artifact. Only its owner uses an engine, which is the actor `Segmenter` in the app:
/// an engine is not thread-safe.
public protocol Engine {
    /// Compute the photo's `image_embeddings`, in C order.
    func encode(_ frame: Frame) throws -> [Float]

    /// Answer a prompt about the photo with `imageEmbeddings`, which `encode` returned.
    func decode(imageEmbeddings: [Float], prompt: SlotPrompt) throws -> DecoderAnswer
}

/// The mask decoder's answer to one prompt.
public struct DecoderAnswer: Hashable, Sendable {
    /// (1, masks, lowResSize, lowResSize) logits over the frame, in C order.
    public let lowResMasks: [Float]
    /// (1, masks) the model's own estimate of each mask's IoU, about 0…1.
    public let scores: [Float]

    public init(lowResMasks: [Float], scores: [Float]) {
        self.lowResMasks = lowResMasks
        self.scores = scores
    }

    /// The logits of one mask, which `mask_input` takes.
    public func lowResMask(_ index: Int) -> [Float] {
        let count = lowResMasks.count / scores.count
        return Array(lowResMasks[(index * count)..<((index + 1) * count)])
    }
}
