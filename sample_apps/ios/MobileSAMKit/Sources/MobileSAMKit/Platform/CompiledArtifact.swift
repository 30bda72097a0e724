#if canImport(CoreML)
import CoreML
import Foundation

/// An artifact whose packages Core ML has compiled for this device. An engine is loaded from it.
public struct CompiledArtifact: Sendable {
    public let artifact: Artifact
    let imageEncoder: URL
    let maskDecoder: URL

    /// - Parameter cache: a folder that keeps compiled packages for the next time; nil to compile anew.
    public init(_ artifact: Artifact, cache: URL?) async throws {
        let manifest = artifact.manifest
        self.artifact = artifact
        imageEncoder = try await Self.compile(manifest.imageEncoder, of: artifact, cache)
        maskDecoder = try await Self.compile(manifest.maskDecoder, of: artifact, cache)
    }

    private static func compile(
        _ component: Component, of artifact: Artifact, _ cache: URL?
    ) async throws -> URL {
        let package = artifact.file(component.file)
        guard let cache else { return try await MLModel.compileModel(at: package) }
        let kept = cache.appendingPathComponent(identity(of: component, artifact.manifest))
        if FileManager.default.fileExists(atPath: kept.path) { return kept }
        let compiled = try await MLModel.compileModel(at: package)
        try FileManager.default.createDirectory(at: cache, withIntermediateDirectories: true)
        try FileManager.default.moveItem(at: compiled, to: kept)
        return kept
    }

    /// A name that changes when any file of the package changes.
    private static func identity(of component: Component, _ manifest: Manifest) -> String {
        let files = manifest.files.filter { $0.key.hasPrefix(component.file + "/") }
        let hashes = files.sorted { $0.key < $1.key }.map { $0.value.sha256.prefix(16) }
        return hashes.joined(separator: "-") + ".mlmodelc"
    }
}
#endif
