"""Branches, loops, elementwise choices, and lists.

Semantics: coremltools' ``ops/defs/iOS15/control_flow.py``. Lists start as zeros and grow as in
coremltools' translation to neural networks (``backend/nn/op_mapping.py``) and its tests.
"""

import torch
from torch import Tensor

from validation.mil_runtime.arithmetic.sizes import checked_count
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import Context, TensorList, operator

# With the smallest body this takes minutes. A loop with more iterations is damaged and would not end.
MAX_ITERATIONS = 1 << 20


@operator("cond", moves_data=True)
def cond(pred: bool, context: Context) -> tuple:
    return context.run_block(0 if pred else 1, [])


@operator("while_loop", moves_data=True)
def while_loop(loop_vars: list[object], context: Context) -> tuple:
    values = tuple(loop_vars)
    for _ in range(MAX_ITERATIONS):
        if not _continues(context.run_block(0, values)):
            return values
        values = context.run_block(1, values)
    raise OperationError(f"does not end within {MAX_ITERATIONS} iterations")


def _continues(outputs: tuple) -> bool:
    if len(outputs) != 1 or not isinstance(outputs[0], Tensor) or outputs[0].numel() != 1:
        raise OperationError("expected one boolean from the loop's condition")
    return bool(outputs[0])


@operator("select", moves_data=True)
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(cond, a, b)


@operator("make_list")
def make_list(
    elem_shape: list[object],
    init_length: int = 1,
    dynamic_length: bool = True,
    dtype: str = "fp32",
) -> TensorList:
    # ``elem_shape`` and ``dtype`` are not needed: the operations that read the list declare them too.
    return TensorList((None,) * checked_count(init_length), dynamic_length)


@operator("list_length")
def list_length(ls: TensorList) -> Tensor:
    return torch.tensor(len(ls.elements))


@operator("list_read", moves_data=True)
def list_read(ls: TensorList, index: int, context: Context) -> Tensor:
    return _element(ls, index, _element_shape(ls, context.declared().shape), context)


@operator("list_gather", moves_data=True)
def list_gather(ls: TensorList, indices: list[int], context: Context) -> Tensor:
    declared = context.declared().shape
    shape = _element_shape(ls, None if declared is None else declared[1:])
    if not indices:
        return torch.zeros((0, *_known(shape)), dtype=context.held_in())
    return torch.stack([_element(ls, index, shape, context) for index in indices])


@operator("list_write", moves_data=True)
def list_write(ls: TensorList, index: int, value: Tensor) -> TensorList:
    return _write(ls, {index: value})


@operator("list_scatter", moves_data=True)
def list_scatter(ls: TensorList, indices: list[int], value: Tensor) -> TensorList:
    return _write(ls, dict(zip(indices, value, strict=True)))


def _write(ls: TensorList, values: dict[int, Tensor]) -> TensorList:
    elements = list(ls.elements)
    for index, value in values.items():
        if index >= len(elements) and ls.grows:
            elements += [None] * (checked_count(index + 1) - len(elements))
        _require_index(index, len(elements))
        elements[index] = value
    return TensorList(tuple(elements), ls.grows)


def _element(
    ls: TensorList, index: int, shape: tuple[int | None, ...] | None, context: Context
) -> Tensor:
    _require_index(index, len(ls.elements))
    element = ls.elements[index]
    return torch.zeros(_known(shape), dtype=context.held_in()) if element is None else element


def _require_index(index: int, length: int) -> None:
    if not 0 <= index < length:
        raise OperationError(f"index {index}: the list has {length} elements")


def _element_shape(
    ls: TensorList, declared: tuple[int | None, ...] | None
) -> tuple[int | None, ...] | None:
    """Return the shape of the elements: that of a written one, or else the declared shape."""
    return next((tuple(item.shape) for item in ls.elements if item is not None), declared)


def _known(shape: tuple[int | None, ...] | None) -> tuple[int, ...]:
    if shape is None or None in shape:
        raise OperationError("nothing was written to the list yet, and no shape is declared for it")
    return shape
