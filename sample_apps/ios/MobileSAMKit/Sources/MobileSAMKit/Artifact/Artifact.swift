import Foundation

/// An artifact that `convert coreml` wrote, and that this version of the app can run.
public struct Artifact: Hashable, Sendable {
    public static let format = "coreml"

    public let folder: URL
    public let manifest: Manifest

    /// - Parameter folder: the folder with manifest.json in it.
    /// - Throws: `MobileSAMError` if there is no artifact, or it is damaged or does not fit the app.
    public init(folder: URL) throws {
        self.folder = folder
        manifest = try Self.readManifest(folder.appendingPathComponent(Manifest.file))
        try requireFit()
        for path in manifest.files.keys { try requireFile(path) }
    }

    /// The artifact's file at `path`.
    ///
    /// - Throws: `MobileSAMError` if `path` leads out of the folder.
    public func url(_ path: String) throws -> URL {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { ["", ".", ".."].contains($0) }) else {
            throw MobileSAMError(
                "\(Manifest.file): the path '\(path)' leaves the artifact: convert again")
        }
        return folder.appendingPathComponent(path)
    }

    /// Refuse the artifact if this phone's system is too old for it.
    ///
    /// - Parameter iOS: the system's major version.
    public func requireSystem(iOS version: Int) throws {
        let target = manifest.deploymentTarget
        guard target.hasPrefix("iOS"), let needed = Int(target.dropFirst(3)), needed <= version else {
            throw MobileSAMError(
                "the artifact is for \(target) or later, and this is iOS \(version): convert with "
                    + "--deployment-target iOS\(version), or another --quantize")
        }
    }

    private static func readManifest(_ url: URL) throws -> Manifest {
        guard let data = try? Data(contentsOf: url) else {
            throw MobileSAMError(
                "no artifact: expected \(Manifest.file) and the packages beside it; copy the folder that "
                    + "'convert coreml' wrote")
        }
        struct Header: Decodable { let schema, format: String }
        guard let header = try? JSONDecoder().decode(Header.self, from: data) else {
            throw MobileSAMError("\(Manifest.file) is not a manifest: copy the artifact again")
        }
        guard header.schema == Manifest.schema else {
            throw MobileSAMError(
                "the artifact's schema is '\(header.schema)': expected '\(Manifest.schema)'; convert again "
                    + "with the version that this app comes from")
        }
        guard header.format == format else {
            throw MobileSAMError(
                "the artifact is of format '\(header.format)': expected '\(format)'; use 'convert coreml'")
        }
        guard let manifest = try? JSONDecoder().decode(Manifest.self, from: data) else {
            throw MobileSAMError("\(Manifest.file) lacks what its schema asks for: convert again")
        }
        return manifest
    }

    private func requireFit() throws {
        let masks = manifest.masks
        let preprocessing = manifest.preprocessing
        let decoder = manifest.components.maskDecoder
        let maskCount = decoder.outputs.first?.shape.dropFirst().first ?? 0
        let fits =
            (1...8192).contains(preprocessing.frameSize)
            && preprocessing.paddingRGB.count == 3
            && preprocessing.paddingRGB.allSatisfy { (0...255).contains($0) }
            && (1...1024).contains(manifest.promptSlots)
            && manifest.prompts.emptySlotCoordinates.count == 2
            && (1...8192).contains(masks.lowResSize)
            && ([masks.singleMaskIndex] + masks.multimaskIndices)
                .allSatisfy { (0..<maskCount).contains($0) }
            && manifest.components.imageEncoder.inputs.count == 1
            && manifest.components.imageEncoder.outputs.count == 1
            && decoder.inputs.count == 5 && decoder.outputs.count == 2
            && decoder.outputs[0].shape == [1, maskCount, masks.lowResSize, masks.lowResSize]
        guard fits else {
            throw MobileSAMError(
                "\(Manifest.file) has sizes that do not fit each other: convert again")
        }
    }

    /// Check that the file exists and is as long as the manifest says. The regression test checks its
    /// content.
    private func requireFile(_ path: String) throws {
        let expected = manifest.files[path]?.bytes
        let url = try url(path)
        let attributes = try? FileManager.default.attributesOfItem(atPath: url.path)
        guard let size = attributes?[.size] as? NSNumber, size.intValue == expected else {
            throw MobileSAMError(
                "the artifact's file '\(path)' is missing or cut off: copy the whole folder again")
        }
    }
}
