import Foundation
import MobileSAMKit

/// Makes an engine's inputs from golden cases, and compares its answers with the golden ones.
struct GoldenInputs {
    let artifact: Artifact
    let goldens: Goldens
    let device: any Device

    private var manifest: Manifest { artifact.manifest }

    /// The cases of the first photo without a mask input. They take turns when stages are timed.
    var casesToTime: [GoldenCase] {
        goldens.cases.filter { $0.photo == goldens.cases[0].photo && $0.maskInput == nil }
    }

    /// Run everything from the photo's file to the mask that a user is shown.
    func runEndToEnd(_ engine: any Engine, _ golden: GoldenCase) throws -> Mask {
        let imageEmbeddings = try engine.encode(frame(of: golden))
        let answer = try engine.decode(
            imageEmbeddings: imageEmbeddings, prompt: try slotPrompt(of: golden))
        let index = manifest.maskChoice.shown(try prompt(of: golden), scores: answer.scores)
        return resizer(of: golden).mask(answer.lowResMask(index), threshold: manifest.threshold)
    }

    private func photo(of golden: GoldenCase) throws -> Photo {
        let record = goldens.photos[golden.photo]!
        let photo = try device.photo(at: try Goldens.file(record.file, of: artifact))
        guard photo.size == record.size else {
            throw ArtifactError(
                "\(record.file) has \(photo.size.height) × \(photo.size.width) pixels: expected "
                    + "\(record.height) × \(record.width); copy the artifact again")
        }
        return photo
    }

    func frame(of golden: GoldenCase) throws -> Frame {
        Frame(
            try photo(of: golden), frameSize: manifest.frameSize, paddingRgb: manifest.paddingRgb)
    }

    func slotPrompt(of golden: GoldenCase) throws -> SlotPrompt {
        try SlotPrompt(
            prompt(of: golden), geometry: geometry(of: golden), layout: manifest.promptLayout)
    }

    private func prompt(of golden: GoldenCase) throws -> Prompt {
        golden.prompt(maskInput: try goldens.maskInput(of: golden, artifact))
    }

    private func geometry(of golden: GoldenCase) -> FrameGeometry {
        FrameGeometry(photo: goldens.photos[golden.photo]!.size, frameSize: manifest.frameSize)
    }

    private func resizer(of golden: GoldenCase) -> MaskResizer {
        MaskResizer(geometry: geometry(of: golden), lowResSize: manifest.lowResSize)
    }

    /// Compare the masks at the photo's size and the scores with those of the golden case.
    func compare(
        _ answer: DecoderAnswer, with golden: GoldenCase, _ limits: CaseLimits
    ) throws -> DeviceCase {
        let resizer = resizer(of: golden)
        let ious = try golden.masks.enumerated().map { index, expected in
            resizer.mask(answer.lowResMask(index), threshold: manifest.threshold)
                .iou(try expected.decode())
        }
        let differences = zip(answer.scores, golden.scores).map { abs($0 - $1) }
        let largest = differences.allSatisfy(\.isFinite) ? differences.max().map(Double.init) : nil
        return .init(
            name: golden.name, maskIous: ious, maxScoreDifference: largest,
            passed: ious.allSatisfy { $0 >= limits.minIou }
                && (largest.map { $0 <= limits.maxScoreDifference } ?? false))
    }
}
