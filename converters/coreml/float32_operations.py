"""Choosing the operations of a MIL program that stay in float32. All others are converted to float16."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from coremltools.converters.mil.mil import Block, Operation, Var
from torch import nn

from converters.coreml.float16_range import FLOAT16_MAX
from converters.coreml.float16_repair import Overflows
from converters.coreml.trace_scopes import traced_path

COORDINATES_INPUT = "point_coords"

# MIL operations that only move values.
_MOVING_OPERATIONS = frozenset(
    (
        "cast",
        "concat",
        "expand_dims",
        "pad",
        "reshape",
        "slice_by_index",
        "split",
        "squeeze",
        "stack",
        "transpose",
    )
)
# Other ATen operators → the MIL operations that coremltools makes from them. An operator that is not listed, or not
# found, may have become any operation of its module.
_OPERATIONS = {
    "addmm": ("linear", "matmul"),
    "mm": ("linear", "matmul"),
    "bmm": ("matmul",),
    "convolution": ("conv", "conv_transpose"),
    "gelu": ("gelu",),
    "relu": ("relu",),
    "_softmax": ("softmax",),
    "native_layer_norm": ("layer_norm",),
    "add": ("add",),
    "add_": ("add",),
    "sub": ("sub",),
    "mul": ("mul",),
    "div": ("real_div", "mul"),
}


class Float16Selector:
    """Tells coremltools which operations to convert to float16.

    Operations on values that float16 cannot hold stay in float32, and so do those that compute phases.

    Args:
        module: the module that was traced.
        overflows: the values of the module that float16 cannot hold.
    """

    def __init__(self, module: nn.Module, overflows: Overflows) -> None:
        self._module, self._overflows = module, overflows
        self._float32: frozenset[Operation] | None = None
        self._phases: frozenset[Operation] = frozenset()

    def __call__(self, operation: Operation) -> bool:
        """Return whether to convert an operation. coremltools first calls this before it converts any."""
        if self._float32 is None:
            block = operation.enclosing_block
            self._float32 = _find_float32(block, self._module, self._overflows)
            self._phases = _find_phases(block)
        return operation not in self._float32 and operation not in self._phases

    @property
    def kept(self) -> tuple[str, ...]:
        """The operations that stay in float32 because of their range, as ``path: operation``."""
        names = (
            f"{traced_path(operation, self._module)}: {operation.op_type}"
            for operation in self._float32 or ()
        )
        return tuple(sorted(names))


def _find_float32(block: Block, module: nn.Module, overflows: Overflows) -> frozenset[Operation]:
    """Return the operations that compute, square or read values that float16 cannot hold."""
    traced = _operations_by_caller(block, module)
    norms = {(norm, "native_layer_norm") for norm in overflows.norms}
    kept = {operation for pair in norms for operation in _made_of(pair, traced)}
    giving = {
        operation
        for caller, operator in overflows.results
        for operation in _made_of((caller, operator), traced)
    }
    inputs = list(block.inputs.values())
    too_large = {inputs[index] for index in overflows.inputs}
    for operation in block.operations:
        variables = operation.get_flattened_inputs()
        takes = any(var in too_large or _is_too_large(var) for var in variables)
        if takes or operation in giving:
            kept.add(operation)
        if operation in giving or (takes and operation.op_type in _MOVING_OPERATIONS):
            too_large.update(operation.outputs)
    return frozenset(kept)


def _operations_by_caller(block: Block, module: nn.Module) -> dict[nn.Module, list[Operation]]:
    traced = defaultdict(list)
    for operation in block.operations:
        if operation.op_type != "const":
            traced[module.get_submodule(traced_path(operation, module))].append(operation)
    return traced


def _made_of(
    pair: tuple[nn.Module, str], traced: Mapping[nn.Module, Sequence[Operation]]
) -> list[Operation]:
    """Return the MIL operations that coremltools made from an operator that a module ran.

    The operator may have disappeared: coremltools folds constants, merges equal operations, and fuses some operations
    into the next one. The operation in its place was then measured too.
    """
    caller, operator = pair
    operations = traced.get(caller, [])
    named = _OPERATIONS.get(operator, ())
    return [operation for operation in operations if operation.op_type in named] or operations


def _is_too_large(var: Var) -> bool:
    """Return whether ``var`` is a constant that float16 cannot hold."""
    value = var.val
    if not isinstance(value, np.ndarray | np.floating) or value.dtype.kind != "f":
        return False
    return value.size > 0 and not np.abs(value).max() <= FLOAT16_MAX


def _find_phases(block: Block) -> frozenset[Operation]:
    """Return the operations that depend only on coordinates. They stay in float32.

    float16 cannot distinguish 1000.5 from 1000.0, nor angles closer than 0.01 at the size of the phases. Only a few
    thousand numbers are computed like this, so float32 costs nothing.
    """
    depends_on = {var: {name} for name, var in block.inputs.items()}  # variable → graph inputs
    phases = set()
    for operation in block.operations:
        names = set().union(
            *(depends_on.get(var, set()) for var in operation.get_flattened_inputs())
        )
        depends_on.update(dict.fromkeys(operation.outputs, names))
        if names == {COORDINATES_INPUT}:
            phases.add(operation)
    return frozenset(phases)
