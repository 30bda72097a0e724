@_exported import CoreVideo
import Foundation

public enum MLComputeUnits: Int, Sendable {
    case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

open class MLModelConfiguration: NSObject {
    open var computeUnits: MLComputeUnits = .all
}

open class MLFeatureDescription: NSObject {}

open class MLModelDescription: NSObject {
    open var inputDescriptionsByName: [String: MLFeatureDescription] { fatalError() }
    open var outputDescriptionsByName: [String: MLFeatureDescription] { fatalError() }
}

open class MLPredictionOptions: NSObject {}

open class MLModel: NSObject {
    public init(contentsOf url: URL, configuration: MLModelConfiguration) throws {}
    open var modelDescription: MLModelDescription { fatalError() }
    open func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider {
        fatalError()
    }
    open func prediction(
        from input: any MLFeatureProvider, options: MLPredictionOptions = MLPredictionOptions()
    ) async throws -> any MLFeatureProvider { fatalError() }
    @available(*, deprecated)
    open class func compileModel(at modelURL: URL) throws -> URL { fatalError() }
    open class func compileModel(at modelURL: URL) async throws -> URL { fatalError() }
}

public protocol MLFeatureProvider: NSObjectProtocol {
    var featureNames: Set<String> { get }
    func featureValue(for featureName: String) -> MLFeatureValue?
}

open class MLFeatureValue: NSObject {
    public convenience init(pixelBuffer value: CVPixelBuffer) { fatalError() }
    public convenience init(multiArray value: MLMultiArray) { fatalError() }
    open var multiArrayValue: MLMultiArray? { fatalError() }
}

open class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
    public init(dictionary: [String: Any]) throws {}
    open var featureNames: Set<String> { fatalError() }
    open func featureValue(for featureName: String) -> MLFeatureValue? { fatalError() }
}

open class MLMultiArray: NSObject {
    public convenience init<Array: MLShapedArrayProtocol>(_ shapedArray: Array) { fatalError() }
}

public protocol MLShapedArrayScalar {}
extension Float: MLShapedArrayScalar {}

public protocol MLShapedArrayProtocol {
    associatedtype Scalar: MLShapedArrayScalar
}

public struct MLShapedArray<Scalar: MLShapedArrayScalar>: MLShapedArrayProtocol {
    public init<Scalars: Sequence>(scalars: Scalars, shape: [Int]) where Scalars.Element == Scalar {
        fatalError()
    }
    public init(converting multiArray: MLMultiArray) { fatalError() }
    public var scalars: [Scalar] { fatalError() }
}
