#if canImport(CoreML)
import CoreML
import Foundation

/// Runs an artifact's packages with Core ML.
public final class CoreMLEngine: SegmentationEngine {
    private let manifest: Manifest
    private let imageEncoder: MLModel
    private let maskDecoder: MLModel

    /// - Throws: `MobileSAMError` if manifest.json describes other models; Core ML's error if the models
    ///   cannot be loaded.
    public init(_ compiled: CompiledArtifact, computeUnits: ComputeUnits) throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits.coreML
        manifest = compiled.artifact.manifest
        imageEncoder = try MLModel(
            contentsOf: compiled.imageEncoder, configuration: configuration)
        maskDecoder = try MLModel(contentsOf: compiled.maskDecoder, configuration: configuration)
        try Self.require(manifest.components.imageEncoder, in: imageEncoder)
        try Self.require(manifest.components.maskDecoder, in: maskDecoder)
    }

    public func encode(_ frame: Frame) throws -> [Float] {
        let component = manifest.components.imageEncoder
        let image = MLFeatureValue(pixelBuffer: try frame.pixelBuffer())
        let answer = try imageEncoder.prediction(
            from: MLDictionaryFeatureProvider(dictionary: [component.inputs[0].name: image]))
        return try Self.scalars(component.outputs[0], of: answer)
    }

    public func decode(_ prompt: SlotPrompt, imageEmbeddings: [Float]) throws -> DecoderAnswer {
        let component = manifest.components.maskDecoder
        let side = manifest.masks.lowResSize
        let values: [[Float]] = [
            imageEmbeddings,
            prompt.pointCoords,
            prompt.pointLabels,
            prompt.maskInput ?? Array(repeating: 0, count: side * side),
            [prompt.maskInput == nil ? 0 : 1],
        ]
        var features: [String: MLFeatureValue] = [:]
        for (tensor, scalars) in zip(component.inputs, values) {
            features[tensor.name] = try Self.feature(tensor, scalars)
        }
        let answer = try maskDecoder.prediction(
            from: MLDictionaryFeatureProvider(dictionary: features))
        return try DecoderAnswer(
            lowResMasks: Self.scalars(component.outputs[0], of: answer),
            scores: Self.scalars(component.outputs[1], of: answer), manifest: manifest)
    }

    private static func require(_ component: Manifest.Component, in model: MLModel) throws {
        let description = model.modelDescription
        let names =
            Set(description.inputDescriptionsByName.keys)
            .union(description.outputDescriptionsByName.keys)
        for tensor in component.inputs + component.outputs where !names.contains(tensor.name) {
            throw MobileSAMError(
                "\(component.file) has no '\(tensor.name)', which \(Manifest.file) lists: copy the whole "
                    + "artifact again")
        }
    }

    private static func feature(
        _ tensor: Manifest.Tensor, _ scalars: [Float]
    ) throws -> MLFeatureValue {
        guard scalars.count == tensor.shape.reduce(1, *) else {
            throw MobileSAMError(
                "'\(tensor.name)' takes numbers of shape \(tensor.shape), and there are \(scalars.count): "
                    + "convert again")
        }
        let array = MLShapedArray(scalars: scalars, shape: tensor.shape)
        return MLFeatureValue(multiArray: MLMultiArray(array))
    }

    private static func scalars(
        _ tensor: Manifest.Tensor, of answer: any MLFeatureProvider
    ) throws -> [Float] {
        guard let array = answer.featureValue(for: tensor.name)?.multiArrayValue else {
            throw MobileSAMError("the model gave no '\(tensor.name)': convert again")
        }
        // Converted, because Core ML's arrays can have gaps between their rows.
        return MLShapedArray<Float>(converting: array).scalars
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
