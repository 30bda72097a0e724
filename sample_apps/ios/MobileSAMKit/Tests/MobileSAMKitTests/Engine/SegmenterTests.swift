import Foundation
import XCTest

@testable import MobileSAMKit
@testable import MobileSAMRegression

/// The whole path, from a photo and prompts in its pixels to masks at its size.
final class SegmenterTests: XCTestCase {
    private var recording: Recording!

    override func setUpWithError() throws {
        recording = try Recording.read()
    }

    func testShowsTheMaskThatPythonShows() async throws {
        let segmenter = segmenter()
        var photo: String?
        for golden in recording.goldens.cases {
            if golden.photo != photo {
                photo = golden.photo
                try await segmenter.setPhoto(try recording.photo(golden.photo))
            }
            let maskInput = try recording.goldens.maskInput(of: golden, recording.artifact)
            let answer = try await segmenter.segment(golden.prompt(maskInput: maskInput))
            let scores = golden.scores
            let isAmbiguous = golden.pointLabels.filter { $0 != -2 } == [1] && maskInput == nil
            let shown = isAmbiguous ? (1...3).max { scores[$0] < scores[$1] }! : 0
            XCTAssertEqual(RunLengthEncoding(answer.mask), golden.masks[shown], golden.name)
            XCTAssertEqual(answer.score, scores[shown], golden.name)
        }
    }

    func testAllMasksAreThoseOfPython() throws {
        let manifest = recording.artifact.manifest
        for golden in recording.goldens.cases {
            let geometry = FrameGeometry(
                photo: recording.goldens.photos[golden.photo]!.size, frameSize: manifest.frameSize)
            let resizer = MaskResizer(geometry: geometry, lowResSize: manifest.lowResSize)
            let answer = try recording.goldens.answer(to: golden, of: recording.artifact)
            for (index, expected) in golden.masks.enumerated() {
                let mask = resizer.mask(
                    answer.lowResMask(index), threshold: manifest.threshold)
                XCTAssertEqual(RunLengthEncoding(mask), expected, "\(golden.name) \(index)")
            }
        }
    }

    func testAPhotoIsEncodedOnce() async throws {
        let runs = Log()
        let segmenter = segmenter { runs.append($0) }
        let golden = recording.goldens.cases[0]
        let encoderTime = try await segmenter.setPhoto(try recording.photo(golden.photo))
        XCTAssertNotNil(encoderTime)
        let first = try await segmenter.segment(golden.prompt(maskInput: nil))
        let second = try await segmenter.segment(golden.prompt(maskInput: nil))
        XCTAssertEqual(first.mask, second.mask)
        XCTAssertNil(first.encoderTime)
        XCTAssertEqual(runs.entries, ["load", "encode", "decode", "decode"])
    }

    func testReleasedMemoryIsMadeAgain() async throws {
        let runs = Log()
        let segmenter = segmenter { runs.append($0) }
        let golden = recording.goldens.cases[0]
        try await segmenter.setPhoto(try recording.photo(golden.photo))
        let before = try await segmenter.segment(golden.prompt(maskInput: nil))
        await segmenter.releaseMemory()
        let after = try await segmenter.segment(golden.prompt(maskInput: nil))
        XCTAssertEqual(before.mask, after.mask)
        XCTAssertNotNil(after.encoderTime)
        XCTAssertEqual(
            runs.entries, ["load", "encode", "decode", "load", "encode", "decode"])
    }

    func testANewerTapEndsOlderOnes() async throws {
        let runs = Log()
        let newer = Newer()
        let segmenter = segmenter { run in
            runs.append(run)
            if run == "decode", runs.entries.filter({ $0 == run }).count == 1 {
                newer.start()
                // Both need time to come and to wait for the actor, which is busy here.
                Thread.sleep(forTimeInterval: 0.5)
            }
        }
        let prompt = recording.goldens.cases[0].prompt(maskInput: nil)
        newer.segment = { try await segmenter.segment(prompt) }
        try await segmenter.setPhoto(try recording.photo(recording.goldens.cases[0].photo))
        let oldest = Task { try await segmenter.segment(prompt) }

        await assertCancelled(oldest)
        var answered = 0
        for task in newer.tasks {
            if case .success = await task.result { answered += 1 }
        }
        XCTAssertEqual(answered, 1)
        // The first of the two was never run.
        XCTAssertEqual(runs.entries, ["load", "encode", "decode", "decode"])
    }

    func testATapThatIsCancelledIsNotRun() async throws {
        let runs = Log()
        let segmenter = segmenter { runs.append($0) }
        let golden = recording.goldens.cases[0]
        let prompt = golden.prompt(maskInput: nil)
        try await segmenter.setPhoto(try recording.photo(golden.photo))
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await segmenter.segment(prompt)
        }
        await assertCancelled(task)
        XCTAssertEqual(runs.entries, ["load", "encode"])
    }

    func testRefusesAPromptBeforeAPhoto() async throws {
        let error = await error(of: segmenter(), recording.goldens.cases[0].prompt(maskInput: nil))
        XCTAssertTrue(error.contains("no photo is chosen"), error)
    }

    func testRefusesMorePointsThanSlots() async throws {
        let segmenter = segmenter()
        let golden = recording.goldens.cases[0]
        try await segmenter.setPhoto(try recording.photo(golden.photo))
        let slots = recording.artifact.manifest.promptLayout.slots
        let point = PromptPoint(Point(x: 1, y: 1), isObject: true)
        let prompt = Prompt(points: Array(repeating: point, count: slots + 1))
        let error = await error(of: segmenter, prompt)
        XCTAssertTrue(error.contains("--prompt-slots \(slots + 1)"), error)
    }

    private func segmenter(
        onRun: @escaping @Sendable (String) -> Void = { _ in }
    ) -> Segmenter {
        let recording = recording!
        return Segmenter(manifest: recording.artifact.manifest) {
            onRun("load")
            return RecordedEngine(recording: recording, onRun: onRun)
        }
    }

    private func assertCancelled(_ task: Task<Segmentation, any Error>) async {
        do {
            _ = try await task.value
            XCTFail("was answered")
        } catch {
            XCTAssertTrue(error is CancellationError, "\(error)")
        }
    }

    private func error(of segmenter: Segmenter, _ prompt: Prompt) async -> String {
        do {
            _ = try await segmenter.segment(prompt)
            return "no error"
        } catch {
            return error.localizedDescription
        }
    }
}

/// Two taps that come while an earlier one is being answered.
private final class Newer: @unchecked Sendable {
    var segment: @Sendable () async throws -> Segmentation = { throw CancellationError() }
    private(set) var tasks: [Task<Segmentation, any Error>] = []

    func start() {
        tasks = [Task(operation: segment), Task(operation: segment)]
    }
}

/// What happened, in its order, on any thread.
final class Log: @unchecked Sendable {
    private let lock = NSLock()
    private var lines: [String] = []

    var entries: [String] { lock.withLock { lines } }

    func append(_ line: String) {
        lock.withLock { lines.append(line) }
    }
}
