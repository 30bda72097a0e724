"""Core ML off the Mac, at coremltools' own seam: predictions by mil_runtime, and a compute plan made up by rules.

Functions like those of ``validation.engines.core_ml``, for child processes. coremltools' classes above its
binding are the real ones. The rules: constants have no plan; "conv" and "linear" go to the best device that is
allowed; "layer_norm" to the GPU if that is allowed, though the Neural Engine could; the rest to the CPU, and
cannot go elsewhere. A "layer_norm" costs five times as much as any other.
"""

from types import SimpleNamespace

import coremltools as ct
from coremltools.models import compute_device, compute_plan

from validation import mil_runtime
from validation.engines import core_ml

ALLOWED = {"ALL": "NGC", "CPU_AND_NE": "NC", "CPU_AND_GPU": "GC", "CPU_ONLY": "C"}
WISHES = {"conv": "NGC", "linear": "NGC", "layer_norm": "GNC"}


class DeviceProxy:
    """Stands for the binding's devices."""


class PlanProxy:
    """Stands for the binding's compute plan."""

    def __init__(self, path: str, units: str) -> None:
        program = ct.utils.load_spec(path).mlProgram
        (block,) = program.functions["main"].block_specializations.values()
        self._allowed = ALLOWED[units]
        operations = [_operation(operation) for operation in block.operations]
        self._work = sum(map(_work, operations))
        function = compute_plan.MLModelStructureProgramFunction(
            [], compute_plan.MLModelStructureProgramBlock([], operations, [])
        )
        structure = compute_plan.MLModelStructureProgram({"main": function})
        self.model_structure = compute_plan.MLModelStructure(None, structure, None)

    def get_compute_device_usage_for_mlprogram_operation(self, operation):
        kind = operation.operator_name.rpartition(".")[2]
        if kind == "const":
            return None
        possible = [mark for mark in WISHES.get(kind, "C") if mark in self._allowed]
        devices = [DEVICES[mark](DeviceProxy()) for mark in possible]
        return compute_plan.MLComputePlanDeviceUsage(devices[0], devices)

    def get_estimated_cost_for_mlprogram_operation(self, operation):
        return compute_plan.MLComputePlanCost(_work(operation) / self._work)


class ModelProxy:
    """What ``compute_plan`` uses of the binding's model."""

    @staticmethod
    def get_compute_plan(path: str, units: str) -> compute_plan.MLComputePlan:
        return compute_plan.MLComputePlan(PlanProxy(path, units))


DEVICES = {
    "N": compute_device.MLNeuralEngineComputeDevice,
    "G": compute_device.MLGPUComputeDevice,
    "C": compute_device.MLCPUComputeDevice,
}


def _operation(operation):
    kind = operation.type if operation.type == "const" else f"ios16.{operation.type}"
    outputs = [
        compute_plan.MLModelStructureProgramNamedValueType(output.name, None)
        for output in operation.outputs
    ]
    return compute_plan.MLModelStructureProgramOperation({}, kind, outputs, [], None)


def _work(operation):
    return {"const": 0, "ios16.layer_norm": 5}.get(operation.operator_name, 1)


def _install() -> None:
    """Once in a process: the binding's names, and the system's."""
    if compute_plan._MLModelProxy is ModelProxy:
        return
    mil_runtime.install()
    core_ml.sys = SimpleNamespace(platform="darwin")
    compute_plan._MLModelProxy = ModelProxy
    compute_plan._MLComputePlanProxy = PlanProxy
    for name in ("CPU", "GPU", "NeuralEngine"):
        setattr(compute_device, f"_ML{name}ComputeDeviceProxy", DeviceProxy)


def _with_core_ml(function):
    def call(*arguments, **options):
        _install()
        return function(*arguments, **options)

    return call


open_engine = _with_core_ml(core_ml.open_engine)
load_models = _with_core_ml(core_ml.load_models)
