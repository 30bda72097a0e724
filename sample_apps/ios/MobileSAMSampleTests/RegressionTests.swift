import MobileSAMKit
import MobileSAMRegression
import XCTest

/// Checks and measures an artifact on this device, as `validate latency ARTIFACT --target ios` asks for.
///
/// It reads environment variables (docs/devices.md) and writes one document (docs/device-results.md).
final class RegressionTests: XCTestCase {
    func testArtifact() async throws {
        let settings = try RegressionSettings(environment: ProcessInfo.processInfo.environment)
        let container = URL(fileURLWithPath: NSHomeDirectory())
        try removeOlderResults(container.appendingPathComponent("Documents"))
        var run = try RegressionRun(settings: settings, container: container, device: IPhone())
        let results = await run.run { artifact, computeUnits in
            try CoreMLEngine(
                await CompiledArtifact(artifact, cache: nil), computeUnits: computeUnits)
        }
        XCTAssertNil(results.failure)
        let limits = settings.limits
        for golden in results.cases {
            let difference = golden.maxScoreDifference.map { "\($0)" } ?? "no number"
            XCTAssertTrue(
                golden.passed,
                "\(golden.name): masks have IoU \(golden.maskIous), expected \(limits.minIou); scores differ "
                    + "by \(difference), expected \(limits.maxScoreDifference)")
        }
    }

    /// Results that `validate latency` has fetched belong to the app, and only the app can remove them.
    private func removeOlderResults(_ documents: URL) throws {
        for file in try FileManager.default.contentsOfDirectory(atPath: documents.path)
        where file.hasPrefix("device-results-") {
            try FileManager.default.removeItem(at: documents.appendingPathComponent(file))
        }
    }
}
