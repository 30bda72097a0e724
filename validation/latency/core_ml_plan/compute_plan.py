"""Reads Core ML's compute plan for a program in a child process, because the framework may crash.

Source: coremltools.models.compute_plan.MLComputePlan, which needs macOS 14.4 or later.
"""

from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from converters.artifact_layout import COMPONENTS
from reference.common.errors import ArtifactError
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines.base import EngineDiedError
from validation.engines.processes.child_process import (
    START_ALLOWANCE,
    Child,
    answer_requests,
    settle_in,
    spawn,
    until_parent_closes,
)
from validation.latency.core_ml_plan.placement import (
    CPU,
    DEVICES,
    GPU,
    NEURAL_ENGINE,
    PlacedOperation,
)

if TYPE_CHECKING:
    from coremltools.models import MLModel
    from coremltools.models.compute_device import MLComputeDevice
    from coremltools.models.compute_plan import MLComputePlan

LoadModels = Callable[[], Callable[[Artifact, str], "dict[str, MLModel] | Unavailable"]]

TIME_LIMIT = 600.0  # seconds; compiling for the Neural Engine takes minutes on old Macs
_PAGE = 100  # operations per answer, because the size of an answer is limited
_NAME_LENGTH = 200
_MOST_OPERATIONS = 100_000


def read_plans(
    artifact: Artifact, unit: str, load_models: LoadModels
) -> dict[str, tuple[list[PlacedOperation], int]]:
    """Ask Core ML where it computes each operation of an artifact.

    Args:
        artifact: the artifact to plan.
        unit: one of ``validation.engines.compute_units.COMPUTE_UNITS``.
        load_models: a function such as ``validation.engines.openers.core_ml_models``, which the
            child process calls.

    Returns:
        Component → the operations that have a plan, and the number of operations that have none.

    Raises:
        ArtifactError: Core ML is not available, or gives no plan.
    """
    child = Child(*spawn(_serve, (artifact, unit, load_models)), TIME_LIMIT)
    try:
        return {component: _read_plan(child, component) for component in COMPONENTS}
    except (LookupError, TypeError, ValueError) as error:
        raise EngineDiedError(f"compute plan: the answer is malformed ({error})") from None
    finally:
        child.close()


def _read_plan(child: Child, component: str) -> tuple[list[PlacedOperation], int]:
    """Ask for one page after another, because the size of a message is limited."""
    placed: list[PlacedOperation] = []
    while True:
        request = {"component": component, "offset": len(placed)}
        answer, _ = child.ask("compute plan", request, (), 0, START_ALLOWANCE)
        page = [_operation(record) for record in answer["operations"]]
        placed += page
        if not page or len(placed) > _MOST_OPERATIONS:
            return placed, int(answer["unplaced"])


def _operation(record: list) -> PlacedOperation:
    name, operator, device, supported, cost = record
    if device not in DEVICES or not set(supported) <= set(DEVICES):
        raise ValueError("it names an unknown device")
    cost = None if cost is None else float(cost)
    return PlacedOperation(str(name), str(operator), device, tuple(supported), cost)


# What runs in the child process


def _serve(connection: Connection, artifact: Artifact, unit: str, load_models: LoadModels) -> None:
    settle_in()
    plans: dict[str, tuple[list, int]] = {}

    def answer(request: dict, _: list) -> tuple[dict, tuple]:
        if not plans:
            plans.update(_plans(artifact, unit, load_models))
        operations, unplaced = plans[request["component"]]
        page = operations[request["offset"] : request["offset"] + _PAGE]
        return {"operations": page, "unplaced": unplaced}, ()

    with until_parent_closes():
        answer_requests(connection, answer)


def _plans(artifact: Artifact, unit: str, load_models: LoadModels) -> dict[str, tuple[list, int]]:
    models = load_models()(artifact, unit)
    if isinstance(models, Unavailable):
        raise ArtifactError(models.reason)
    try:
        return {component: _plan(model, unit) for component, model in models.items()}
    except Exception as error:  # coremltools documents no exception types
        raise ArtifactError(f"Core ML gives no compute plan ({error})") from error


def _plan(model: "MLModel", unit: str) -> tuple[list, int]:
    """Return records of the operations with a plan, and the number of operations without one."""
    from coremltools import ComputeUnit
    from coremltools.models.compute_plan import MLComputePlan

    path = model.get_compiled_model_path()
    plan = MLComputePlan.load_from_path(path, ComputeUnit[unit.upper()])
    program = plan.model_structure.program
    if program is None:
        raise ArtifactError("the compiled model is not an ML Program")
    operations = [
        operation
        for function in program.functions.values()
        for operation in _operations(function.block)
    ]
    records = [record for operation in operations if (record := _record(plan, operation))]
    return records, len(operations) - len(records)


def _operations(block: object) -> Iterator:
    """Yield a block's operations; those of a nested block follow the operation that contains it."""
    for operation in block.operations:
        yield operation
        for nested in operation.blocks:
            yield from _operations(nested)


def _record(plan: "MLComputePlan", operation: object) -> list | None:
    usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
    if usage is None:
        return None
    cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
    name = operation.outputs[0].name if operation.outputs else ""
    # Operator names contain the opset that they come from, such as "ios17.conv".
    operator = operation.operator_name.rpartition(".")[2]
    return [
        name[:_NAME_LENGTH],
        operator[:_NAME_LENGTH],
        _device(usage.preferred_compute_device),
        sorted({_device(device) for device in usage.supported_compute_devices}),
        None if cost is None else cost.weight,
    ]


def _device(device: "MLComputeDevice") -> str:
    from coremltools.models import compute_device

    names = {
        compute_device.MLNeuralEngineComputeDevice: NEURAL_ENGINE,
        compute_device.MLGPUComputeDevice: GPU,
        compute_device.MLCPUComputeDevice: CPU,
    }
    return next(name for kind, name in names.items() if isinstance(device, kind))
