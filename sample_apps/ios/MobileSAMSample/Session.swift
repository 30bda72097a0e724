import CoreGraphics
import Foundation
import MobileSAMKit
import SwiftUI

/// All that the screen shows.
struct ScreenState {
    enum Status: Equatable {
        case loading
        /// The artifact is missing or does not fit the app.
        case unusable(String)
        case noPhoto
        case readingPhoto
        case ready
        case working
        case answered(score: Float, coverage: Double, milliseconds: Double)
        case failed(String)
    }

    struct Shown {
        let image: CGImage
        let size: PixelSize
    }

    var status = Status.loading
    var photo: Shown?
    /// Every prompt since the photo was chosen. The last one is the present prompt.
    var prompts: [Prompt] = []
    var mask: CGImage?
    /// Whether the weights are trained. Masks of seeded weights mean nothing.
    var isTrained = true

    var prompt: Prompt { prompts.last ?? Prompt() }

    var canOpenPhotos: Bool {
        switch status {
        case .loading, .unusable: false
        default: true
        }
    }
}

/// A photo, the user's prompts about it, and the answers. The actor `Segmenter` does the work, so that the
/// main thread is never blocked.
@MainActor
final class Session: ObservableObject {
    @Published private(set) var state = ScreenState()

    private var segmenter: Segmenter?
    private var photoTask: Task<Void, Never>?
    private var promptTask: Task<Void, Never>?

    /// Loads a photo's file. Photos from the library and from the camera both come as `Data`.
    typealias LoadPhoto = @MainActor () async throws -> Data?

    /// Orange, half transparent, so that both the mask and the object are seen. The color is already
    /// multiplied by the opacity.
    private nonisolated static let maskColor: [UInt8] = [128, 64, 0, 128]

    /// Find the artifact in the app, and compile its models.
    func start() async {
        // The regression test needs the whole device.
        let isMeasured = ProcessInfo.processInfo.environment["MOBILE_SAM_ARTIFACT"] != nil
        guard segmenter == nil, !isMeasured else { return }
        do {
            let folder = Bundle.main.bundleURL.appendingPathComponent("Artifact")
            let caches = try FileManager.default.url(
                for: .cachesDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
            let artifact = try Artifact(folder: folder)
            try artifact.requireSystem(
                iOS: ProcessInfo.processInfo.operatingSystemVersion.majorVersion)
            let compiled = try await CompiledArtifact(
                artifact, cache: caches.appendingPathComponent("compiled"))
            segmenter = Segmenter(manifest: artifact.manifest) {
                try CoreMLEngine(compiled, computeUnits: .all)
            }
            state.isTrained = artifact.manifest.checkpoint.trained
            state.status = .noPhoto
        } catch {
            state.status = .unusable(error.localizedDescription)
        }
    }

    /// Show another photo and encode it. A photo that is still being read is dropped.
    func openPhoto(_ load: @escaping LoadPhoto) {
        guard let segmenter else { return }
        photoTask?.cancel()
        promptTask?.cancel()
        state.status = .readingPhoto
        photoTask = Task {
            do {
                guard let data = try await load() else {
                    throw PhotoError("the photo cannot be read: choose another one")
                }
                let decoded = try await Self.decode(data)
                try Task.checkCancellation()
                promptTask?.cancel()
                state.status = .readingPhoto
                state.photo = decoded.shown
                state.prompts = []
                state.mask = nil
                try await segmenter.setPhoto(decoded.photo)
                if state.status == .readingPhoto { state.status = .ready }
            } catch is CancellationError {
                // Another photo was chosen.
            } catch {
                state.status = .failed(error.localizedDescription)
            }
        }
    }

    func add(_ touch: Touch) {
        state.prompts.append(state.prompt.adding(touch))
        ask()
    }

    func undo() {
        guard !state.prompts.isEmpty else { return }
        state.prompts.removeLast()
        ask()
    }

    func clear() {
        state.prompts = []
        ask()
    }

    func releaseMemory() {
        guard let segmenter else { return }
        Task { await segmenter.releaseMemory() }
    }

    /// Ask for the mask of the present prompt. An older prompt without an answer is canceled.
    private func ask() {
        promptTask?.cancel()
        let prompt = state.prompt
        guard let segmenter, !prompt.isEmpty else {
            state.mask = nil
            state.status = .ready
            return
        }
        state.status = .working
        promptTask = Task {
            do {
                let answer = try await segmenter.segment(prompt)
                let drawn = await Self.draw(answer.mask)
                try Task.checkCancellation()
                state.mask = drawn.image
                state.status = .answered(
                    score: answer.score, coverage: drawn.coverage,
                    milliseconds: answer.decoderTime / .milliseconds(1))
            } catch is CancellationError {
                // A newer prompt is being answered.
            } catch {
                state.status = .failed(error.localizedDescription)
            }
        }
    }

    /// A `CGImage` never changes, so that a background task may make what the main thread shows.
    private struct Decoded: @unchecked Sendable {
        let photo: Photo
        let shown: ScreenState.Shown
    }

    private struct Drawn: @unchecked Sendable {
        let image: CGImage?
        /// The share of the photo that the mask covers, 0…1.
        let coverage: Double
    }

    private nonisolated static func decode(_ data: Data) async throws -> Decoded {
        try await Task.detached(priority: .userInitiated) {
            let photo = try Photo(file: data)
            guard let image = photo.cgImage() else {
                throw PhotoError("no memory to show the photo: close other apps")
            }
            return Decoded(photo: photo, shown: .init(image: image, size: photo.size))
        }.value
    }

    private nonisolated static func draw(_ mask: Mask) async -> Drawn {
        await Task.detached(priority: .userInitiated) {
            Drawn(
                image: mask.cgImage(color: maskColor),
                coverage: Double(mask.area) / Double(mask.size.area))
        }.value
    }
}
