import Foundation
import XCTest

@testable import MobileSAMKit

/// An artifact that does not fit the app is refused with one line that says what to do.
final class ArtifactTests: XCTestCase {
    private var folder: URL!

    override func setUpWithError() throws {
        let recording = try Recording.read()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.copyItem(at: recording.artifact.folder, to: folder)
    }

    override func tearDownWithError() throws {
        if let folder { try FileManager.default.removeItem(at: folder) }
    }

    func testAnEmptyFolder() throws {
        let empty = folder.appendingPathComponent("empty")
        try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: false)
        XCTAssertThrowsError(try Artifact(folder: empty)) {
            XCTAssertTrue($0.localizedDescription.hasPrefix("no artifact"))
        }
    }

    func testAManifestThatIsNone() throws {
        try Data("[1".utf8).write(to: folder.appendingPathComponent("manifest.json"))
        try assertRefused("is not a manifest")
    }

    func testAnotherSchema() throws {
        try edit { $0["schema"] = "mobile-sam-export/artifact/9" }
        try assertRefused("'mobile-sam-export/artifact/9'")
    }

    func testAnotherFormat() throws {
        try edit { manifest in
            manifest["format"] = "torchscript"
            manifest["deployment_target"] = nil
        }
        try assertRefused("use 'convert coreml'")
    }

    func testATooOldSystem() throws {
        try edit { $0["deployment_target"] = "iOS18" }
        let artifact = try Artifact(folder: folder)
        XCTAssertNoThrow(try artifact.requireSystem(iOS: 18))
        XCTAssertNoThrow(try artifact.requireSystem(iOS: 26))
        XCTAssertThrowsError(try artifact.requireSystem(iOS: 17)) {
            XCTAssertTrue($0.localizedDescription.contains("--deployment-target iOS17"))
        }
    }

    func testAChoiceOfMasksThatAreNotThere() throws {
        try edit { manifest in
            var masks = manifest["masks"] as! [String: Any]
            masks["multimask_indices"] = [1, 2, 9]
            manifest["masks"] = masks
        }
        try assertRefused("contradicts itself")
    }

    func testAModelOfAnotherFrame() throws {
        try edit { manifest in
            var preprocessing = manifest["preprocessing"] as! [String: Any]
            preprocessing["frame_size"] = 64
            manifest["preprocessing"] = preprocessing
        }
        try assertRefused("has other inputs")
    }

    func testAModelOfOtherPrompts() throws {
        try edit { $0["prompt_slots"] = 3 }
        try assertRefused("has other inputs")
    }

    func testAMissingFile() throws {
        let artifact = try Artifact(folder: folder)
        let file = artifact.manifest.maskDecoder.file + "/Manifest.json"
        try FileManager.default.removeItem(at: folder.appendingPathComponent(file))
        try assertRefused(file)
    }

    func testAFileThatIsCutOff() throws {
        try Data().write(to: folder.appendingPathComponent("goldens/goldens.json"))
        try assertRefused("goldens/goldens.json")
    }

    func testAPathOutOfTheFolder() throws {
        try edit { $0["files"] = ["../passwords": ["bytes": 1, "sha256": "0"]] }
        try assertRefused("leaves the artifact")
    }

    private func edit(_ change: (inout [String: Any]) -> Void) throws {
        let url = folder.appendingPathComponent("manifest.json")
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
        var manifest = json as! [String: Any]
        change(&manifest)
        try JSONSerialization.data(withJSONObject: manifest).write(to: url)
    }

    private func assertRefused(_ text: String) throws {
        XCTAssertThrowsError(try Artifact(folder: folder)) { error in
            let message = error.localizedDescription
            XCTAssertTrue(message.contains(text), message)
        }
    }
}
