/// The units that Core ML may compute on. docs/devices.md has their names.
public enum ComputeUnits: String, CaseIterable, Sendable {
    case all
    case cpuAndNeuralEngine = "cpu_and_ne"
    case cpuAndGPU = "cpu_and_gpu"
    case cpuOnly = "cpu_only"
}
