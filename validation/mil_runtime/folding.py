"""Computes operations on constants when a program is loaded, so that no prediction has to."""

from collections.abc import Iterable, Mapping
from math import prod

from validation.mil_runtime.errors import MilRuntimeError
from validation.mil_runtime.execution import Execution, PlannedOperation
from validation.mil_runtime.model.program_structure import Constant
from validation.mil_runtime.model.value_types import TensorType
from validation.mil_runtime.numerics import Numerics

_MOST_ELEMENTS = 1 << 20  # of a result that is kept; an attention bias has 0.2 million


def fold_constants(
    steps: Iterable[PlannedOperation], constants: Mapping[str, Constant], numerics: Numerics
) -> dict[str, object]:
    """Return the results of all operations on nothing but constants, by name.

    Operations that cannot be computed are left out. They are refused when they are run.
    """
    known = dict(constants)
    folded: dict[str, object] = {}
    for step in steps:
        if not _is_foldable(step) or any(name not in known for name in step.operation.references()):
            continue
        try:
            outputs = Execution(numerics, seed=0).run_step(step, known)
        except MilRuntimeError:
            continue
        known.update(outputs)
        folded.update(outputs)
    return folded


def _is_foldable(step: PlannedOperation) -> bool:
    """Return whether an operation always gives the same tensors, and small ones."""
    return (
        not step.blocks
        and not step.operation.kind.startswith("random_")
        and all(
            isinstance(output.type, TensorType)
            and output.type.shape is not None
            and None not in output.type.shape
            and prod(output.type.shape) <= _MOST_ELEMENTS
            for output in step.operation.outputs
        )
    )
