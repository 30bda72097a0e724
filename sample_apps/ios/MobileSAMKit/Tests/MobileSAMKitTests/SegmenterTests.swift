import Foundation
import XCTest

@testable import MobileSAMKit

@testable import MobileSAMRegression

/// The whole path, from a photo and prompts in its pixels to masks of its size.
final class SegmenterTests: XCTestCase {
    private var recording: Recording!

    override func setUpWithError() throws {
        recording = try Recording.read()
    }

    func testShowsTheMaskThatPythonShows() async throws {
        let segmenter = segmenter()
        var photo: String?
        for golden in recording.goldens.cases where golden.maskInput == nil {
            if golden.photo != photo {
                photo = golden.photo
                try await segmenter.setPhoto(try recording.photo(golden.photo))
            }
            let answer = try await segmenter.segment(golden.prompt)
            let scores = golden.iouPredictions
            let shown =
                golden.pointLabels.filter { $0 != -2 } == [1]
                ? (1...3).max { scores[$0] < scores[$1] }! : 0
            XCTAssertEqual(RunLengthEncoding(answer.mask), golden.masks[shown], golden.name)
            XCTAssertEqual(answer.score, scores[shown], golden.name)
        }
    }

    func testAllMasksAreThoseOfPython() throws {
        for golden in recording.goldens.cases {
            let geometry = FrameGeometry(
                photo: recording.goldens.photos[golden.photo]!.size,
                frameSize: recording.artifact.manifest.preprocessing.frameSize)
            let answer = try recording.goldens.answer(to: golden, of: recording.artifact)
            for (index, expected) in golden.masks.enumerated() {
                let mask = answer.mask(
                    index, geometry: geometry, manifest: recording.artifact.manifest)
                XCTAssertEqual(RunLengthEncoding(mask), expected, "\(golden.name) \(index)")
            }
        }
    }

    func testAPhotoIsEncodedOnce() async throws {
        let runs = Log()
        let segmenter = segmenter { runs.append($0) }
        let golden = recording.goldens.cases[0]
        try await segmenter.setPhoto(try recording.photo(golden.photo))
        let first = try await segmenter.segment(golden.prompt)
        let second = try await segmenter.segment(golden.prompt)
        XCTAssertEqual(first.mask, second.mask)
        XCTAssertEqual(runs.entries, ["load", "encode", "decode", "decode"])
    }

    func testReleasedMemoryIsMadeAgain() async throws {
        let runs = Log()
        let segmenter = segmenter { runs.append($0) }
        let golden = recording.goldens.cases[0]
        try await segmenter.setPhoto(try recording.photo(golden.photo))
        let before = try await segmenter.segment(golden.prompt)
        await segmenter.releaseMemory()
        let after = try await segmenter.segment(golden.prompt)
        XCTAssertEqual(before.mask, after.mask)
        XCTAssertEqual(
            runs.entries, ["load", "encode", "decode", "load", "encode", "decode"])
    }

    func testANewerTapEndsOlderOnes() async throws {
        let runs = Log()
        let running = DispatchSemaphore(value: 0)
        let goOn = DispatchSemaphore(value: 0)
        let segmenter = segmenter { run in
            runs.append(run)
            if run == "decode", runs.entries.filter({ $0 == run }).count == 1 {
                running.signal()
                goOn.wait()
            }
        }
        let golden = recording.goldens.cases[0]
        let prompt = golden.prompt
        try await segmenter.setPhoto(try recording.photo(golden.photo))
        let decoding = Task { try await segmenter.segment(prompt) }
        await waitFor(running)
        let waiting = Task { try await segmenter.segment(prompt) }
        try await Task.sleep(for: .milliseconds(100))
        let newest = Task { try await segmenter.segment(prompt) }
        try await Task.sleep(for: .milliseconds(100))
        goOn.signal()

        await assertCancelled(decoding)
        await assertCancelled(waiting)
        _ = try await newest.value
        // The one that waited was never run.
        XCTAssertEqual(runs.entries, ["load", "encode", "decode", "decode"])
    }

    func testATapThatIsCancelledIsNotRun() async throws {
        let runs = Log()
        let segmenter = segmenter { runs.append($0) }
        let golden = recording.goldens.cases[0]
        let prompt = golden.prompt
        try await segmenter.setPhoto(try recording.photo(golden.photo))
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await segmenter.segment(prompt)
        }
        await assertCancelled(task)
        XCTAssertEqual(runs.entries, ["load", "encode"])
    }

    func testRefusesAPromptBeforeAPhoto() async throws {
        let error = await error(of: segmenter(), recording.goldens.cases[0].prompt)
        XCTAssertTrue(error.contains("no photo is chosen"), error)
    }

    func testRefusesMorePointsThanSlots() async throws {
        let segmenter = segmenter()
        let golden = recording.goldens.cases[0]
        try await segmenter.setPhoto(try recording.photo(golden.photo))
        let slots = recording.artifact.manifest.promptSlots
        let point = Prompt.LabelledPoint(Point(x: 1, y: 1), isObject: true)
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

    private func waitFor(_ semaphore: DispatchSemaphore) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                semaphore.wait()
                continuation.resume()
            }
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

/// What happened, in order, from whatever thread.
final class Log: @unchecked Sendable {
    private let lock = NSLock()
    private var lines: [String] = []

    var entries: [String] { lock.withLock { lines } }

    func append(_ line: String) {
        lock.withLock { lines.append(line) }
    }
}
