/// The answer to a prompt.
public struct Segmentation: Hashable, Sendable {
    /// The mask at the photo's size.
    public let mask: Mask
    /// The model's own estimate of the mask's IoU, about 0…1.
    public let score: Float
    /// Time for loading the models and encoding the photo, if this prompt was the first that needed them;
    /// otherwise zero.
    public let preparation: Duration
    /// Time from the filled slots to the mask at the photo's size.
    public let latency: Duration
}

/// Answers prompts about one photo at a time. Only this actor uses the models.
///
/// A photo is encoded once. A newer prompt cancels older ones, and a newer photo cancels all prompts about
/// the earlier photo. A canceled prompt throws `CancellationError`.
public actor Segmenter {
    /// Loads the models. It is called on the actor when they are first needed, and again after memory was
    /// released.
    public typealias MakeEngine = @Sendable () throws -> any SegmentationEngine

    private let manifest: Manifest
    private let makeEngine: MakeEngine
    private var engine: (any SegmentationEngine)?
    private var photo: (frame: Frame, geometry: FrameGeometry)?
    private var imageEmbeddings: [Float]?
    private var latest = Request(photo: 0, prompt: 0)

    /// The number of photos and of prompts that had come when a request came.
    private struct Request: Equatable {
        var photo: Int
        var prompt: Int
    }

    public init(manifest: Manifest, makeEngine: @escaping MakeEngine) {
        self.manifest = manifest
        self.makeEngine = makeEngine
    }

    /// Set the photo that the following prompts are about, and encode it.
    ///
    /// - Throws: the errors of loading and running the models; `CancellationError` if another photo came.
    public func setPhoto(_ photo: Photo) async throws {
        latest.photo += 1
        let request = latest
        imageEmbeddings = nil
        let geometry = FrameGeometry(
            photo: photo.size, frameSize: manifest.preprocessing.frameSize)
        let frame = Frame(photo, side: geometry.frameSize, padding: manifest.padding)
        self.photo = (frame, geometry)
        await giveWay()
        // A prompt that came meanwhile is about this photo, and does not cancel it.
        guard request.photo == latest.photo, !Task.isCancelled else { throw CancellationError() }
        _ = try prepare(frame)
    }

    /// Answer a prompt about the photo, unless a newer prompt or photo comes first.
    ///
    /// - Parameter prompt: at least one point or a box, in pixels of the photo.
    /// - Throws: `MobileSAMError` if there is no photo, or the prompt does not fit in the artifact's slots;
    ///   the errors of loading and running the models; `CancellationError` if a newer prompt came or the task
    ///   was canceled.
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

    /// Release the models and the photo's embeddings. The next prompt loads and computes them again.
    public func releaseMemory() {
        engine = nil
        imageEmbeddings = nil
    }

    /// The models and the photo's embeddings, which are loaded and computed if they are not there.
    private func prepare(_ frame: Frame) throws -> (any SegmentationEngine, [Float]) {
        let engine = try self.engine ?? makeEngine()
        self.engine = engine
        let embeddings = try imageEmbeddings ?? engine.encode(frame)
        imageEmbeddings = embeddings
        return (engine, embeddings)
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
