/// The answer to a prompt.
public struct Segmentation: Hashable, Sendable {
    /// At the photo's size.
    public let mask: Mask
    /// The model's own estimate of the mask's IoU, about 0…1.
    public let score: Float
    /// Time of the image encoder; nil if the photo was already encoded.
    public let encoderTime: Duration?
    /// Time from filling the slots to the mask at the photo's size.
    public let decoderTime: Duration
}

/// Answers prompts about one photo at a time. Only this actor uses the models.
///
/// A photo is encoded once. A newer prompt cancels older ones, and a newer photo cancels all prompts about
/// the earlier photo. A canceled prompt throws `CancellationError`.
public actor Segmenter {
    /// Loads the models. It is called on the actor when they are first needed, and again after memory was
    /// released.
    public typealias OpenEngine = @Sendable () throws -> any Engine

    private let manifest: Manifest
    private let openEngine: OpenEngine
    private let clock = ContinuousClock()
    private var engine: (any Engine)?
    private var frame: Frame?
    private var imageEmbeddings: [Float]?
    private var latest = Request(photo: 0, prompt: 0)

    /// The number of photos and of prompts that had come when a request came.
    private struct Request: Equatable {
        var photo: Int
        var prompt: Int
    }

    public init(manifest: Manifest, openEngine: @escaping OpenEngine) {
        self.manifest = manifest
        self.openEngine = openEngine
    }

    /// Set the photo that the following prompts are about, and encode it.
    ///
    /// - Returns: the image encoder's time; nil if a prompt that came meanwhile had the photo encoded.
    /// - Throws: the errors of loading and running the models; `CancellationError` if another photo came.
    @discardableResult
    public func setPhoto(_ photo: Photo) async throws -> Duration? {
        latest.photo += 1
        let request = latest
        imageEmbeddings = nil
        let frame = Frame(
            photo, frameSize: manifest.frameSize, paddingRgb: manifest.paddingRgb)
        self.frame = frame
        await giveWay()
        // A prompt that came meanwhile is about this photo, and does not cancel it.
        guard request.photo == latest.photo, !Task.isCancelled else { throw CancellationError() }
        return try encode(frame).time
    }

    /// Answer a prompt about the photo, unless a newer prompt or photo comes first.
    ///
    /// - Parameter prompt: at least one point or a box, in pixels of the photo.
    /// - Throws: `PromptError` if there is no photo, or the prompt does not fit in the artifact's slots;
    ///   the errors of loading and running the models; `CancellationError` if a newer prompt came or the task
    ///   was canceled.
    public func segment(_ prompt: Prompt) async throws -> Segmentation {
        latest.prompt += 1
        let request = latest
        try await requireLatest(request)
        guard let frame else {
            throw PromptError("no photo is chosen: choose one before you tap")
        }
        let (imageEmbeddings, encoderTime) = try encode(frame)
        let start = clock.now
        let slotPrompt = try SlotPrompt(
            prompt, geometry: frame.geometry, layout: manifest.promptLayout)
        let answer = try openedEngine().decode(
            imageEmbeddings: imageEmbeddings, prompt: slotPrompt)
        try await requireLatest(request)
        let index = manifest.maskChoice.shown(prompt, scores: answer.scores)
        let resizer = MaskResizer(geometry: frame.geometry, lowResSize: manifest.lowResSize)
        let mask = resizer.mask(answer.lowResMask(index), threshold: manifest.threshold)
        return Segmentation(
            mask: mask, score: answer.scores[index], encoderTime: encoderTime,
            decoderTime: start.duration(to: clock.now))
    }

    /// Release the models and the photo's embeddings. The next prompt loads and computes them again.
    public func releaseMemory() {
        engine = nil
        imageEmbeddings = nil
    }

    /// The photo's embeddings, and the time of the image encoder; nil if they were there.
    private func encode(_ frame: Frame) throws -> (imageEmbeddings: [Float], time: Duration?) {
        if let imageEmbeddings { return (imageEmbeddings, nil) }
        let engine = try openedEngine()
        let start = clock.now
        let encoded = try engine.encode(frame)
        imageEmbeddings = encoded
        return (encoded, start.duration(to: clock.now))
    }

    private func openedEngine() throws -> any Engine {
        let opened = try engine ?? openEngine()
        engine = opened
        return opened
    }

    /// Throw if a newer request has come. A request that is still waiting for the actor counts.
    private func requireLatest(_ request: Request) async throws {
        await giveWay()
        guard request == latest, !Task.isCancelled else { throw CancellationError() }
    }

    /// Let the requests in that are waiting for the actor.
    private func giveWay() async {
        await Task.yield()
    }
}
