/// The answer to one prompt.
public struct Segmentation: Hashable, Sendable {
    /// At the photo's own size.
    public let mask: Mask
    /// The model's own estimate of the mask's IoU, about 0…1.
    public let score: Float
    /// Loading the models and encoding the photo, if this prompt was the first that needed it; else zero.
    public let preparation: Duration
    /// From the prompt to the mask.
    public let latency: Duration
}

/// Answers prompts about one photo at a time. The models live in this actor and nowhere else.
///
/// A photo is encoded once, however many prompts follow. A newer prompt, or another photo, ends all older
/// ones that have not been answered: they throw `CancellationError`.
public actor Segmenter {
    /// Loads an artifact's models; called on the actor, again after memory was released.
    public typealias MakeEngine = @Sendable () throws -> any SegmentationEngine

    private let manifest: Manifest
    private let makeEngine: MakeEngine
    private var engine: (any SegmentationEngine)?
    private var photo: (frame: Frame, geometry: FrameGeometry)?
    private var imageEmbeddings: [Float]?
    private var latest = Request(photo: 0, prompt: 0)

    /// How many photos and prompts had come when a request came.
    private struct Request: Equatable {
        var photo: Int
        var prompt: Int
    }

    public init(manifest: Manifest, makeEngine: @escaping MakeEngine) {
        self.manifest = manifest
        self.makeEngine = makeEngine
    }

    /// Encode a photo, which the prompts that follow are about.
    ///
    /// - Throws: what loading or running the models throws; `CancellationError` if another photo came.
    public func setPhoto(_ photo: Photo) async throws {
        latest.photo += 1
        let request = latest
        imageEmbeddings = nil
        let geometry = FrameGeometry(
            photo: photo.size, frameSize: manifest.preprocessing.frameSize)
        let frame = Frame(photo, side: geometry.frameSize, padding: manifest.padding)
        self.photo = (frame, geometry)
        await giveWay()
        // A prompt that came meanwhile is about this photo, and does not end it.
        guard request.photo == latest.photo, !Task.isCancelled else { throw CancellationError() }
        _ = try prepare(frame)
    }

    /// The mask of the object that `prompt` means.
    ///
    /// - Parameter prompt: at least one point or a box, in pixels of the photo.
    /// - Throws: `MobileSAMError` if there is no photo, or the prompt does not fit in the artifact's slots;
    ///   what running the models throws; `CancellationError` if a newer prompt came, or the task was cancelled.
    public func segment(_ prompt: Prompt) async throws -> Segmentation {
        let clock = ContinuousClock()
        latest.prompt += 1
        let request = latest
        try await requireLatest(request)
        guard let photo else {
            throw MobileSAMError("no photo is chosen: choose one before you tap")
        }
        let slotPrompt = try SlotPrompt(
            prompt.toFrame(photo.geometry), layout: manifest.promptLayout)
        let start = clock.now
        let (engine, imageEmbeddings) = try prepare(photo.frame)
        let prepared = clock.now
        let answer = try engine.decode(slotPrompt, imageEmbeddings: imageEmbeddings)
        try await requireLatest(request)
        let index = manifest.maskChoice.shown(prompt, scores: answer.scores)
        let mask = answer.mask(index, geometry: photo.geometry, manifest: manifest)
        return Segmentation(
            mask: mask, score: answer.scores[index], preparation: start.duration(to: prepared),
            latency: prepared.duration(to: clock.now))
    }

    /// Let go of models and embeddings. The photo stays: the next prompt loads and encodes again.
    public func releaseMemory() {
        engine = nil
        imageEmbeddings = nil
    }

    /// The models and the photo's embeddings, made now if they are not there.
    private func prepare(_ frame: Frame) throws -> (any SegmentationEngine, [Float]) {
        let engine = try self.engine ?? makeEngine()
        self.engine = engine
        let embeddings = try imageEmbeddings ?? engine.encode(frame)
        imageEmbeddings = embeddings
        return (engine, embeddings)
    }

    /// Throw if a newer request has come, among them those that are waiting for the actor.
    private func requireLatest(_ request: Request) async throws {
        await giveWay()
        guard request == latest, !Task.isCancelled else { throw CancellationError() }
    }

    /// Let those in that are waiting for the actor.
    private func giveWay() async {
        await Task.yield()
    }
}
