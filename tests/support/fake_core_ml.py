"""A stand-in for Core ML off the Mac: mil_runtime predicts, and the compute plan follows simple rules.

It replaces coremltools' binding to Core ML; the classes above the binding are the real ones. Child processes call these
functions in place of those in ``validation.engines.core_ml``. The rules of the compute plan are:

- Constants have no plan.
- "conv" and "linear" go to the best device that is allowed.
- "layer_norm" goes to the GPU if that is allowed, although it could run on the Neural Engine. It costs five times as
  much as any other operation.
- All other operations go to the CPU, and can run only there.
"""

from functools import partial

import coremltools as ct
from coremltools.models import compute_device, compute_plan

from validation import mil_runtime
from validation.engines import core_ml

ALLOWED = {"ALL": "NGC", "CPU_AND_NE": "NC", "CPU_AND_GPU": "GC", "CPU_ONLY": "C"}
WISHES = {"conv": "NGC", "linear": "NGC", "layer_norm": "GNC"}


class DeviceProxy:
    """Replaces the devices of the binding."""


class PlanProxy:
    """Replaces the compute plan of the binding."""

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
    """Replaces the part of the binding's model that ``compute_plan`` uses."""

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
    """Put the stand-ins in the place of coremltools' binding, once in a process."""
    if compute_plan._MLModelProxy is ModelProxy:
        return
    mil_runtime.install()
    compute_plan._MLModelProxy = ModelProxy
    compute_plan._MLComputePlanProxy = PlanProxy
    for name in ("CPU", "GPU", "NeuralEngine"):
        setattr(compute_device, f"_ML{name}ComputeDeviceProxy", DeviceProxy)


def _with_core_ml(function):
    def call(*arguments, **options):
        _install()
        return function(*arguments, **options)

    return call


MAC = core_ml.CoreML(system="darwin")
open_engine = _with_core_ml(partial(core_ml.open_engine, core_ml=MAC))
load_models = _with_core_ml(partial(core_ml.load_models, core_ml=MAC))
