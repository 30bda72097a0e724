import Foundation

/// An artifact that `convert coreml` wrote, and that this version of the app can run.
public struct Artifact: Hashable, Sendable {
    /// The folder with manifest.json and the files that it lists.
    public let folder: URL
    public let manifest: Manifest

    /// Open the artifact in `folder`.
    ///
    /// - Throws: `ArtifactError` if there is no artifact, or it is damaged or does not fit the app.
    public init(folder: URL) throws {
        guard let json = try? Data(contentsOf: folder.appendingPathComponent(Manifest.file)) else {
            throw ArtifactError(
                "no artifact: expected \(Manifest.file) and the packages beside it; copy the folder that "
                    + "'convert coreml' wrote")
        }
        self.folder = folder
        manifest = try Manifest(json: json)
        for (path, identity) in manifest.files { try requireFile(path, identity) }
    }

    /// The artifact's file at `path`.
    public func file(_ path: String) -> URL {
        folder.appendingPathComponent(path)
    }

    /// Refuse the artifact if this phone's system is too old for it.
    ///
    /// - Parameter iOS: the system's major version.
    public func requireSystem(iOS version: Int) throws {
        let target = manifest.deploymentTarget
        guard target.hasPrefix("iOS"), let needed = Int(target.dropFirst(3)), needed <= version else {
            throw ArtifactError(
                "the artifact is for \(target) or later, and this is iOS \(version): convert with "
                    + "--deployment-target iOS\(version), or another --quantize")
        }
    }

    /// Check that the file exists and is as long as the manifest says. The regression test checks its
    /// content.
    private func requireFile(_ path: String, _ expected: FileIdentity) throws {
        let attributes = try? FileManager.default.attributesOfItem(atPath: file(path).path)
        guard let size = attributes?[.size] as? NSNumber, size.intValue == expected.bytes else {
            throw ArtifactError(
                "the artifact's file '\(path)' is missing or cut off: copy the whole folder again")
        }
    }
}
