import Foundation
import MobileSAMKit

/// Makes an engine's inputs from golden cases, and compares its answers with the golden ones.
struct GoldenInputs {
    let artifact: Artifact
    let goldens: Goldens
    let device: any Device

    /// The cases of the first photo without a mask input. They take turns when stages are timed.
    var casesToTime: [GoldenCase] {
        goldens.cases.filter { $0.photo == goldens.cases[0].photo && $0.maskInput == nil }
    }

    /// Run everything from the photo's file to the mask that a user is shown.
    func runEndToEnd(_ engine: any SegmentationEngine, _ golden: GoldenCase) throws -> Mask {
        let embeddings = try engine.encode(frame(of: golden))
        let answer = try engine.decode(try slotPrompt(of: golden), imageEmbeddings: embeddings)
        let index = artifact.manifest.maskChoice.shown(golden.prompt, scores: answer.scores)
        return answer.mask(index, geometry: geometry(of: golden), manifest: artifact.manifest)
    }

    private func photo(of golden: GoldenCase) throws -> Photo {
        let record = goldens.photos[golden.photo]!
        let photo = try device.photo(at: try Goldens.url(record.file, of: artifact))
        guard photo.size == record.size else {
            throw MobileSAMError(
                "\(record.file) has \(photo.size.height) × \(photo.size.width) pixels: expected "
                    + "\(record.height) × \(record.width); copy the artifact again")
        }
        return photo
    }

    func frame(of golden: GoldenCase) throws -> Frame {
        Frame(
            try photo(of: golden), side: artifact.manifest.preprocessing.frameSize,
            padding: artifact.manifest.padding)
    }

    func slotPrompt(of golden: GoldenCase) throws -> SlotPrompt {
        try SlotPrompt(
            golden.prompt.toFrame(geometry(of: golden)),
            maskInput: goldens.maskInput(of: golden, artifact), layout: artifact.manifest.promptLayout)
    }

    private func geometry(of golden: GoldenCase) -> FrameGeometry {
        FrameGeometry(
            photo: goldens.photos[golden.photo]!.size,
            frameSize: artifact.manifest.preprocessing.frameSize)
    }

    /// Compare the masks at the photo's size and the scores with those of the golden case.
    func compare(
        _ answer: DecoderAnswer, with golden: GoldenCase, _ limits: DeviceResults.Limits
    ) throws -> DeviceResults.CaseResult {
        let geometry = geometry(of: golden)
        let ious = try golden.masks.enumerated().map { index, expected in
            answer.mask(index, geometry: geometry, manifest: artifact.manifest)
                .iou(try expected.decode())
        }
        let differences = zip(answer.scores, golden.iouPredictions).map { abs($0 - $1) }
        let largest = differences.allSatisfy(\.isFinite) ? differences.max().map(Double.init) : nil
        return .init(
            name: golden.name, maskIous: ious, maxScoreDifference: largest,
            passed: ious.allSatisfy { $0 >= limits.minIou }
                && (largest.map { $0 <= limits.maxScoreDifference } ?? false))
    }
}
