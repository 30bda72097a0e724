"""Operators that reduce axes of a tensor to one element.

Semantics: coremltools' ``ops/defs/iOS15/reduction.py`` and ``iOS17/reduction.py``.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import Context, operator

Reduction = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, axes: list[int], keep_dims: bool) -> Tensor:
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep_dims)
    return x


def _sum_of_squares(x: Tensor, axes: list[int], keep_dims: bool) -> Tensor:
    return x.square().sum(axes, keepdim=keep_dims)


# These reductions of integers give integers.
_EXACT: dict[str, Reduction] = {
    "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "reduce_max": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "reduce_min": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "reduce_prod": _product,
    "reduce_sum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "reduce_sum_square": _sum_of_squares,
}
# These are computed in floating point. For integers the result is truncated to an integer.
_FLOATING: dict[str, Reduction] = {
    "reduce_l2_norm": lambda x, axes, keep: _sum_of_squares(x, axes, keep).sqrt(),
    "reduce_log_sum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "reduce_log_sum_exp": lambda x, axes, keep: x.logsumexp(axes, keepdim=keep),
    "reduce_mean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
}


def _along_axes(reduce: Reduction) -> Callable:
    def compute(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
        if axes is None:
            axes = list(range(x.dim()))
        if not axes:  # MIL reduces nothing here, but torch reduces all axes for an empty list
            return reduce(x.unsqueeze(0), [0], False)
        return reduce(x, axes, keep_dims)

    return compute


def _in_floating_point(reduce: Reduction) -> Reduction:
    def compute(x: Tensor, axes: list[int], keep_dims: bool) -> Tensor:
        if x.is_floating_point():
            return reduce(x, axes, keep_dims)
        return reduce(x.double(), axes, keep_dims).to(torch.int64)

    return compute


for _kind, _reduce in _EXACT.items():
    operator(_kind)(_along_axes(_reduce))
for _kind, _reduce in _FLOATING.items():
    operator(_kind)(_along_axes(_in_floating_point(_reduce)))


@operator("reduce_argmax")
def reduce_argmax(x: Tensor, axis: int = -1, keep_dims: bool = False) -> Tensor:
    return x.argmax(axis, keepdim=keep_dims)  # the first if several are equal


@operator("reduce_argmin")
def reduce_argmin(x: Tensor, axis: int = -1, keep_dims: bool = False) -> Tensor:
    return x.argmin(axis, keepdim=keep_dims)


@operator("reduce_argmax", since=Opset.iOS17)
def reduce_argmax_typed(
    x: Tensor,
    context: Context,
    axis: int = -1,
    keep_dims: bool = False,
    output_dtype: str = "int32",
) -> Tensor:
    _require_index_type(output_dtype, context)
    return reduce_argmax(x, axis, keep_dims)


@operator("reduce_argmin", since=Opset.iOS17)
def reduce_argmin_typed(
    x: Tensor,
    context: Context,
    axis: int = -1,
    keep_dims: bool = False,
    output_dtype: str = "int32",
) -> Tensor:
    _require_index_type(output_dtype, context)
    return reduce_argmin(x, axis, keep_dims)


def _require_index_type(output_dtype: str, context: Context) -> None:
    declared = context.declared().dtype.name
    if output_dtype not in ("int32", "uint16") or output_dtype != declared:
        raise OperationError(
            f"output_dtype '{output_dtype}': expected int32 or uint16, and the declared {declared}"
        )
