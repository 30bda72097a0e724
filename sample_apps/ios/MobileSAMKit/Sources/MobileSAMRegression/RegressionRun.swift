import Foundation
import MobileSAMKit

/// One run of the regression test. It checks every golden case, times every stage, and writes one document.
///
/// The document is written again before each step, and its `failure` names the step. After a crash it
/// therefore says where the crash happened.
public struct RegressionRun {
    /// Loads the artifact's models from their files.
    public typealias OpenEngine =
        (Artifact, ComputeUnits) async throws -> any Engine

    private let settings: RegressionSettings
    private let inputs: GoldenInputs
    private let device: any Device
    private let document: URL
    private var results: DeviceResults

    /// - Parameter container: the folder that the paths in `settings` start from.
    /// - Throws: `ArtifactError` if the artifact or its goldens are missing or damaged.
    public init(settings: RegressionSettings, container: URL, device: any Device) throws {
        self.settings = settings
        self.device = device
        let artifact = try Artifact(folder: container.appendingPathComponent(settings.artifact))
        inputs = GoldenInputs(artifact: artifact, goldens: try Goldens(of: artifact), device: device)
        document = container.appendingPathComponent(settings.results)
        let manifest = artifact.manifest
        results = DeviceResults(
            startedAt: ISO8601DateFormatter().string(from: Date()),
            device: device.identity,
            app: device.app,
            compute: .init(unit: settings.computeUnits.rawValue),
            artifact: .init(
                model: manifest.model, format: Manifest.format, scheme: manifest.scheme,
                checkpointSha256: manifest.checkpoint.sha256,
                files: try Self.countFiles(of: artifact, device)),
            limits: settings.limits,
            memory: .init(peakBefore: try device.peakMemory()),
            before: device.state())
    }

    /// - Returns: the document that was written. Its `failure` says what went wrong, or is nil.
    public mutating func run(openEngine: OpenEngine) async -> DeviceResults {
        do {
            try begin("loading the models")
            let clock = ContinuousClock()
            let start = clock.now
            let engine = try await openEngine(inputs.artifact, settings.computeUnits)
            results.milliseconds.load = [start.duration(to: clock.now).milliseconds]
            try runFirst(engine)
            try checkCases(engine)
            try timeStages(engine)
            results.memory.peakAfter = try device.peakMemory()
            results.after = device.state()
            results.failure = nil
            try results.write(to: document)
        } catch {
            let doing = results.failure.map { $0 + ": " } ?? ""
            results.failure = Self.oneLine(doing + error.localizedDescription)
            try? results.write(to: document)
        }
        return results
    }

    private mutating func begin(_ step: String) throws {
        results.failure = step
        try results.write(to: document)
    }

    private static func countFiles(
        of artifact: Artifact, _ device: any Device
    ) throws -> [String: FileIdentity] {
        var files: [String: FileIdentity] = [:]
        for path in artifact.manifest.files.keys {
            let url = artifact.file(path)
            let attributes = try FileManager.default.attributesOfItem(atPath: url.path)
            let bytes = (attributes[.size] as? NSNumber)?.intValue ?? 0
            files[path] = .init(bytes: bytes, sha256: try device.sha256(of: url))
        }
        return files
    }

    private mutating func runFirst(_ engine: any Engine) throws {
        try begin("the first run of the image encoder")
        let first = inputs.goldens.cases[0]
        let frame = try inputs.frame(of: first)
        let (encoding, imageEmbeddings) = try timed { try engine.encode(frame) }
        results.milliseconds.imageEncoder = .init(first: encoding)
        try begin("the first run of the mask decoder")
        let prompt = try inputs.slotPrompt(of: first)
        let (decoding, _) = try timed {
            try engine.decode(imageEmbeddings: imageEmbeddings, prompt: prompt)
        }
        results.milliseconds.maskDecoder = .init(first: decoding)
    }

    private mutating func checkCases(_ engine: any Engine) throws {
        var imageEmbeddings: [String: [Float]] = [:]
        for golden in inputs.goldens.cases {
            try begin("the case \(golden.name)")
            let encoded =
                try imageEmbeddings[golden.photo] ?? engine.encode(inputs.frame(of: golden))
            imageEmbeddings[golden.photo] = encoded
            let answer = try engine.decode(
                imageEmbeddings: encoded, prompt: inputs.slotPrompt(of: golden))
            results.cases.append(try inputs.compare(answer, with: golden, settings.limits))
        }
    }

    private mutating func timeStages(_ engine: any Engine) throws {
        let inputs = inputs
        let cases = inputs.casesToTime
        let frame = try inputs.frame(of: cases[0])
        let imageEmbeddings = try engine.encode(frame)
        let prompts = try cases.map { try inputs.slotPrompt(of: $0) }
        var turn = 0

        let encoding = try measure("the image encoder") { _ = try engine.encode(frame) }
        results.milliseconds.imageEncoder?.steady = encoding
        let decoding = try measure("the mask decoder") {
            _ = try engine.decode(
                imageEmbeddings: imageEmbeddings, prompt: prompts[turn % prompts.count])
            turn += 1
        }
        results.milliseconds.maskDecoder?.steady = decoding
        try begin("the first run from photo to mask")
        let (first, _) = try timed { try inputs.runEndToEnd(engine, cases[0]) }
        results.milliseconds.endToEnd = .init(first: first)
        let whole = try measure("photo to mask") {
            _ = try inputs.runEndToEnd(engine, cases[turn % cases.count])
            turn += 1
        }
        results.milliseconds.endToEnd?.steady = whole
    }

    private mutating func measure(_ stage: String, _ run: () throws -> Void) throws -> [Double] {
        try begin("timing \(stage)")
        let times = try Stopwatch.steady(runs: settings.runs, seconds: settings.seconds) {
            try timed(run).milliseconds
        }
        guard let times else {
            throw RegressionError(
                "times did not settle in \(Int(Stopwatch.longestWarmUp / 1000)) s or \(Stopwatch.mostWarmUpRuns) "
                    + "runs; let the phone cool, and close other apps")
        }
        return times
    }

    /// The text as the document takes it: one line of at most 300 characters.
    private static func oneLine(_ text: String) -> String {
        let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        let printable = words.unicodeScalars.filter { $0.properties.generalCategory != .control }
        return String(String(String.UnicodeScalarView(printable)).prefix(300))
    }
}
