import Foundation
import MobileSAMKit
import MobileSAMRegression
import XCTest

/// Answers the golden cases of an artifact with the recorded reference answers, and refuses every other
/// input.
///
/// Even a frame, a slot or a mask input that differs by one bit is an error.
struct RecordedEngine: Engine {
    struct UnknownInput: LocalizedError {
        let errorDescription: String?
    }

    let recording: Recording
    /// Called at the beginning of each run, with the name of what is run.
    var onRun: @Sendable (String) -> Void = { _ in }

    func encode(_ frame: Frame) throws -> [Float] {
        onRun("encode")
        guard let name = recording.frames.first(where: { $0.value == Data(frame.rgb) })?.key else {
            throw UnknownInput(errorDescription: "the frame of no golden photo")
        }
        let photo = recording.goldens.photos[name]!
        return try Goldens.read(photo.imageEmbeddings, of: recording.artifact)
    }

    func decode(imageEmbeddings: [Float], prompt: SlotPrompt) throws -> DecoderAnswer {
        onRun("decode")
        let goldens = recording.goldens
        let golden = try goldens.cases.first { golden in
            let photo = goldens.photos[golden.photo]!
            return try prompt.pointCoords == golden.pointCoords.flatMap { $0 }
                && prompt.pointLabels == golden.pointLabels
                && prompt.maskInput == goldens.maskInput(of: golden, recording.artifact)
                && imageEmbeddings == Goldens.read(photo.imageEmbeddings, of: recording.artifact)
        }
        guard let golden else { throw UnknownInput(errorDescription: "the prompt of no golden case") }
        return try goldens.answer(to: golden, of: recording.artifact)
    }
}

/// An artifact with its goldens. Its photos are given as pixels, because Linux has no decoder for them.
struct Recording: Sendable {
    let artifact: Artifact
    let goldens: Goldens
    /// The frame that Python made of each photo, by the photo's name.
    let frames: [String: Data]
    let pixels: URL

    /// Read what environment variables name. MOBILE_SAM_ARTIFACT names the artifact. MOBILE_SAM_PIXELS names
    /// a folder with NAME.rgb (the pixels) and NAME.frame (the frame) of each golden photo, in 8 bits, row by
    /// row.
    static func read() throws -> Recording {
        let environment = ProcessInfo.processInfo.environment
        guard let folder = environment["MOBILE_SAM_ARTIFACT"],
            let pixels = environment["MOBILE_SAM_PIXELS"]
        else {
            throw XCTSkip("NOT RUN: no artifact; tests/sample_apps/test_ios.py makes one")
        }
        let artifact = try Artifact(folder: URL(fileURLWithPath: folder))
        let goldens = try Goldens(of: artifact)
        let pixelFolder = URL(fileURLWithPath: pixels)
        var frames: [String: Data] = [:]
        for name in goldens.photos.keys {
            frames[name] = try Data(contentsOf: pixelFolder.appendingPathComponent(name + ".frame"))
        }
        return Recording(
            artifact: artifact, goldens: goldens, frames: frames, pixels: pixelFolder)
    }

    func photo(_ name: String) throws -> Photo {
        let size = goldens.photos[name]!.size
        let data = try Data(contentsOf: pixels.appendingPathComponent(name + ".rgb"))
        return Photo(size: size, rgb: Array(data))
    }
}
