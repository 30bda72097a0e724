#if canImport(CoreML)
import CoreML
import Foundation

/// Runs an artifact's packages with Core ML.
public final class CoreMLEngine: Engine {
    private let manifest: Manifest
    private let imageEncoder: MLModel
    private let maskDecoder: MLModel

    /// - Throws: `ArtifactError` if manifest.json describes other models; Core ML's error if the models
    ///   cannot be loaded.
    public init(_ compiled: CompiledArtifact, computeUnits: ComputeUnits) throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits.coreML
        manifest = compiled.artifact.manifest
        imageEncoder = try MLModel(
            contentsOf: compiled.imageEncoder, configuration: configuration)
        maskDecoder = try MLModel(contentsOf: compiled.maskDecoder, configuration: configuration)
        try Self.require(manifest.imageEncoder, in: imageEncoder)
        try Self.require(manifest.maskDecoder, in: maskDecoder)
    }

    public func encode(_ frame: Frame) throws -> [Float] {
        let component = manifest.imageEncoder
        let image = MLFeatureValue(pixelBuffer: try frame.pixelBuffer())
        let answer = try imageEncoder.prediction(
            from: MLDictionaryFeatureProvider(dictionary: [component.inputs[0].name: image]))
        return try Self.scalars(component.outputs[0], of: answer)
    }

    public func decode(imageEmbeddings: [Float], prompt: SlotPrompt) throws -> DecoderAnswer {
        let component = manifest.maskDecoder
        let values: [[Float]] = [
            imageEmbeddings,
            prompt.pointCoords,
            prompt.pointLabels,
            prompt.maskInput ?? Array(repeating: 0, count: manifest.lowResSize * manifest.lowResSize),
            [prompt.maskInput == nil ? 0 : 1],
        ]
        var features: [String: MLFeatureValue] = [:]
        for (tensor, scalars) in zip(component.inputs, values) {
            features[tensor.name] = try Self.feature(tensor, scalars)
        }
        let answer = try maskDecoder.prediction(
            from: MLDictionaryFeatureProvider(dictionary: features))
        return DecoderAnswer(
            lowResMasks: try Self.scalars(component.outputs[0], of: answer),
            scores: try Self.scalars(component.outputs[1], of: answer))
    }

    private static func require(_ component: Component, in model: MLModel) throws {
        let description = model.modelDescription
        let names =
            Set(description.inputDescriptionsByName.keys)
            .union(description.outputDescriptionsByName.keys)
        for tensor in component.inputs + component.outputs where !names.contains(tensor.name) {
            throw ArtifactError(
                "\(component.file) has no '\(tensor.name)', which \(Manifest.file) lists: copy the whole "
                    + "artifact again")
        }
    }

    private static func feature(
        _ tensor: TensorSpec, _ scalars: [Float]
    ) throws -> MLFeatureValue {
        guard scalars.count == tensor.size else {
            throw ArtifactError(
                "'\(tensor.name)' takes numbers of shape \(tensor.shape), and there are \(scalars.count): "
                    + "convert again")
        }
        let array = MLShapedArray(scalars: scalars, shape: tensor.shape)
        return MLFeatureValue(multiArray: MLMultiArray(array))
    }

    private static func scalars(
        _ tensor: TensorSpec, of answer: any MLFeatureProvider
    ) throws -> [Float] {
        guard let array = answer.featureValue(for: tensor.name)?.multiArrayValue else {
            throw ArtifactError("the model gave no '\(tensor.name)': convert again")
        }
        // Converted, because Core ML's arrays can have gaps between their rows.
        let scalars = MLShapedArray<Float>(converting: array).scalars
        guard scalars.count == tensor.size else {
            throw ArtifactError(
                "the model gave \(scalars.count) numbers of '\(tensor.name)': expected \(tensor.size); "
                    + "convert again")
        }
        return scalars
    }
}

extension ComputeUnits {
    var coreML: MLComputeUnits {
        switch self {
        case .all: .all
        case .cpuAndNeuralEngine: .cpuAndNeuralEngine
        case .cpuAndGPU: .cpuAndGPU
        case .cpuOnly: .cpuOnly
        }
    }
}
#endif
