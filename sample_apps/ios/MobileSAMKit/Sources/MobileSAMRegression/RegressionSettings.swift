import Foundation
import MobileSAMKit

/// What `validate latency` tells the test in environment variables. docs/devices.md lists them.
public struct RegressionSettings: Sendable {
    /// Path of the artifact's folder in the app's container.
    public let artifact: String
    /// Path of the document to write, in the app's container.
    public let results: String
    public let computeUnits: ComputeUnits
    /// Smallest number of runs of each stage.
    public let runs: Int
    /// Shortest time that the runs of each stage take together.
    public let seconds: Double
    public let limits: CaseLimits

    /// - Throws: `RegressionError` that names the first variable that is missing or out of its range.
    public init(environment: [String: String]) throws {
        func text(_ name: String) throws -> String {
            let variable = "MOBILE_SAM_" + name
            guard let value = environment[variable], !value.isEmpty else {
                throw RegressionError(
                    "\(variable) is not set: run 'validate latency ARTIFACT --target ios', or set it as "
                        + "docs/devices.md says")
            }
            return value
        }
        func number(_ name: String, _ range: ClosedRange<Double>) throws -> Double {
            let value = try text(name)
            guard let number = Double(value), range.contains(number) else {
                throw RegressionError(
                    "MOBILE_SAM_\(name) is '\(value)': expected a number of \(range.lowerBound) to "
                        + "\(range.upperBound)")
            }
            return number
        }
        artifact = try text("ARTIFACT")
        results = try text("RESULTS")
        let units = try text("COMPUTE_UNITS")
        guard let known = ComputeUnits(rawValue: units) else {
            let all = ComputeUnits.allCases.map(\.rawValue).joined(separator: ", ")
            throw RegressionError("MOBILE_SAM_COMPUTE_UNITS is '\(units)': expected one of \(all)")
        }
        computeUnits = known
        runs = Int(try number("RUNS", 1...100_000))
        seconds = try number("SECONDS", 0...3600)
        limits = CaseLimits(
            minIou: try number("MIN_IOU", 0...1),
            maxScoreDifference: try number("MAX_SCORE_DIFFERENCE", 0...1e6))
    }
}
