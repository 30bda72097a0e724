import Foundation
import XCTest

@testable import MobileSAMKit
@testable import MobileSAMRegression

/// The regression test that a phone runs, with a recorded engine.
final class RegressionTests: XCTestCase {
    private var recording: Recording!
    private var container: URL!

    override func setUpWithError() throws {
        recording = try Recording.read()
        container = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: container, withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            at: container.appendingPathComponent("artifact"),
            withDestinationURL: recording.artifact.folder)
    }

    override func tearDownWithError() throws {
        if let container { try FileManager.default.removeItem(at: container) }
    }

    func testMeasuresAndPassesEveryCase() async throws {
        let results = try await run { RecordedEngine(recording: $0) }
        XCTAssertNil(results.failure)
        XCTAssertEqual(results.cases.map(\.name), recording.goldens.cases.map(\.name))
        for golden in results.cases {
            XCTAssertEqual(golden.maskIous, [1, 1, 1, 1], golden.name)
            XCTAssertEqual(golden.maxScoreDifference, 0, golden.name)
            XCTAssertTrue(golden.passed)
        }
        let times = results.milliseconds
        for stage in [times.imageEncoder, times.maskDecoder, times.endToEnd] {
            XCTAssertGreaterThanOrEqual(stage?.steady.count ?? 0, 2)
        }
        if let kept = ProcessInfo.processInfo.environment["MOBILE_SAM_DEVICE_RESULTS"] {
            try FileManager.default.copyItem(at: document, to: URL(fileURLWithPath: kept))
        }
    }

    func testAWrongMaskDoesNotPass() async throws {
        struct Inverted: Engine {
            let recorded: RecordedEngine
            func encode(_ frame: Frame) throws -> [Float] { try recorded.encode(frame) }
            func decode(imageEmbeddings: [Float], prompt: SlotPrompt) throws -> DecoderAnswer {
                let answer = try recorded.decode(
                    imageEmbeddings: imageEmbeddings, prompt: prompt)
                return DecoderAnswer(
                    lowResMasks: answer.lowResMasks.map { -$0 }, scores: answer.scores)
            }
        }
        let results = try await run { Inverted(recorded: RecordedEngine(recording: $0)) }
        XCTAssertNil(results.failure)
        XCTAssertTrue(results.cases.allSatisfy { !$0.passed })
    }

    func testAScoreThatIsNoNumberDoesNotPass() async throws {
        struct Unsure: Engine {
            let recorded: RecordedEngine
            func encode(_ frame: Frame) throws -> [Float] { try recorded.encode(frame) }
            func decode(imageEmbeddings: [Float], prompt: SlotPrompt) throws -> DecoderAnswer {
                let answer = try recorded.decode(
                    imageEmbeddings: imageEmbeddings, prompt: prompt)
                return DecoderAnswer(
                    lowResMasks: answer.lowResMasks, scores: [.nan] + answer.scores.dropFirst())
            }
        }
        let results = try await run { Unsure(recorded: RecordedEngine(recording: $0)) }
        XCTAssertTrue(results.cases.allSatisfy { !$0.passed && $0.maxScoreDifference == nil })
    }

    func testAnEngineThatFailsIsReported() async throws {
        struct Broken: Engine {
            func encode(_ frame: Frame) throws -> [Float] {
                throw RegressionError("out of\nmemory" + String(repeating: "!", count: 400))
            }
            func decode(imageEmbeddings: [Float], prompt: SlotPrompt) throws -> DecoderAnswer {
                throw RegressionError("never run")
            }
        }
        let results = try await run { _ in Broken() }
        let expected = "the first run of the image encoder: out of memory!!!"
        XCTAssertEqual(results.failure?.hasPrefix(expected), true, results.failure ?? "nil")
        XCTAssertEqual(results.failure?.count, 300)
        let written = try JSONSerialization.jsonObject(with: Data(contentsOf: document))
        XCTAssertEqual((written as? [String: Any])?["failure"] as? String, results.failure)
    }

    func testSettingsAreRefused() throws {
        for (name, value) in [
            ("ARTIFACT", nil), ("COMPUTE_UNITS", "gpu"), ("RUNS", "0"), ("SECONDS", "nan"),
            ("MIN_IOU", "1.5"), ("MAX_SCORE_DIFFERENCE", "much"),
        ] {
            var environment = Self.environment
            environment["MOBILE_SAM_" + name] = value
            XCTAssertThrowsError(try RegressionSettings(environment: environment)) { error in
                let message = error.localizedDescription
                XCTAssertTrue(message.hasPrefix("MOBILE_SAM_\(name) is"), message)
            }
        }
    }

    func testAWarmUpIsOverOnceFiveRunsAreAsLongAsTheFiveBefore() {
        XCTAssertFalse(Stopwatch.isSteady(Array(repeating: 1, count: 9)))
        XCTAssertTrue(Stopwatch.isSteady(Array(repeating: 1, count: 10)))
        let falling = (0..<5).map { _ in 2.0 } + (0..<5).map { _ in 1.0 }
        XCTAssertFalse(Stopwatch.isSteady(falling))
        XCTAssertTrue(Stopwatch.isSteady(falling + (0..<5).map { _ in 1.03 }))
        XCTAssertFalse(Stopwatch.isSteady(falling + (0..<5).map { _ in 1.05 }))
    }

    func testTimesThatDoNotSettleAreNoTimes() {
        var milliseconds = 1.0
        let times = Stopwatch.steady(runs: 3, seconds: 0) {
            milliseconds *= 1.1
            return milliseconds
        }
        XCTAssertNil(times)
    }

    func testEachStageHasEnoughRunsAndTakesLongEnough() {
        XCTAssertEqual(Stopwatch.steady(runs: 3, seconds: 0) { 10 }?.count, 3)
        XCTAssertEqual(Stopwatch.steady(runs: 3, seconds: 0.095) { 10 }?.count, 10)
    }

    private static let environment = [
        "MOBILE_SAM_ARTIFACT": "artifact", "MOBILE_SAM_RESULTS": "device-results.json",
        "MOBILE_SAM_COMPUTE_UNITS": "all", "MOBILE_SAM_RUNS": "2", "MOBILE_SAM_SECONDS": "0",
        "MOBILE_SAM_MIN_IOU": "0.5", "MOBILE_SAM_MAX_SCORE_DIFFERENCE": "0.15",
    ]

    private var document: URL { container.appendingPathComponent("device-results.json") }

    private func run(
        _ engine: (Recording) -> any Engine
    ) async throws -> DeviceResults {
        let settings = try RegressionSettings(environment: Self.environment)
        let recording = recording!
        var run = try RegressionRun(
            settings: settings, container: container, device: LinuxDevice(recording: recording))
        return await run.run { _, _ in engine(recording) }
    }
}

/// Linux in place of a phone.
private struct LinuxDevice: Device {
    let recording: Recording
    let identity = DeviceIdentity(model: "Linux", osVersion: "0")
    let app = AppIdentity(
        name: "org.mobilesam.sample", version: "1.0.0", runtime: "recorded engine")

    func state() -> DeviceState { DeviceState(thermalState: "nominal", batterySaver: false) }

    func peakMemory() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kilobytes = line?.split(whereSeparator: \.isWhitespace)[1]
        return Int(try XCTUnwrap(kilobytes))! * 1024
    }

    func sha256(of file: URL) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
        process.arguments = [file.path]
        process.standardOutput = output
        try process.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return String(text.prefix(64))
    }

    func photo(at file: URL) throws -> Photo {
        try recording.photo(file.deletingPathExtension().lastPathComponent)
    }
}
