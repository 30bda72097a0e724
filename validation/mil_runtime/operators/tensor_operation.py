"""Operators that make, join, divide, order and mask tensors.

Semantics: coremltools' ``ops/defs/iOS15/tensor_operation.py`` and its successors.
"""

from math import ceil, prod

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.sizes import checked_count, checked_shape
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.operators.tensor_transformation import positive_axis
from validation.mil_runtime.registry import Context, operator


@operator("band_part", moves_data=True)
def band_part(x: Tensor, lower: int = -1, upper: int = -1) -> Tensor:
    rows, columns = x.shape[-2:]
    below = torch.arange(rows).unsqueeze(1) - torch.arange(columns)
    outside = torch.zeros(rows, columns, dtype=torch.bool)
    if lower >= 0:
        outside |= below > lower
    if upper >= 0:
        outside |= -below > upper
    return x.masked_fill(outside, 0)


@operator("cumsum")
def cumsum(x: Tensor, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    if reverse:
        x = x.flip(axis)
    if exclusive:
        # The terms are shifted, because subtracting x from the sums would round twice.
        zero = torch.zeros_like(x.narrow(axis, 0, 1))
        x = torch.cat([zero, x.narrow(axis, 0, x.shape[axis] - 1)], axis)
    sums = x.cumsum(axis)
    return sums.flip(axis) if reverse else sums


@operator("fill", moves_data=True)
def fill(shape: list[int], context: Context, value: Tensor | None = None) -> Tensor:
    return _filled(shape, value, context)


@operator("fill_like", since=Opset.iOS16, moves_data=True)
def fill_like(ref_tensor: Tensor, context: Context, value: Tensor | None = None) -> Tensor:
    return _filled(list(ref_tensor.shape), value, context)


def _filled(shape: list[int], value: Tensor | None, context: Context) -> Tensor:
    if value is None:
        value = torch.zeros((), dtype=context.held_in())
    return value.reshape(()).expand(checked_shape(shape))


@operator("non_zero")
def non_zero(x: Tensor) -> Tensor:
    return x.nonzero()


@operator("one_hot", moves_data=True)
def one_hot(
    indices: Tensor,
    one_hot_vector_size: int,
    axis: int = -1,
    on_value: Tensor | None = None,
    off_value: Tensor | None = None,
) -> Tensor:
    if ((indices < 0) | (indices >= one_hot_vector_size)).any():
        raise OperationError(
            f"indices from {indices.min()} to {indices.max()}: expected none below 0 and none from "
            f"one_hot_vector_size {one_hot_vector_size} on, because their result is unknown"
        )
    axis = positive_axis(axis, indices.dim() + 1)
    checked_shape([*indices.shape, one_hot_vector_size])
    positions = torch.arange(one_hot_vector_size).reshape(-1, *[1] * (indices.dim() - axis))
    hot = indices.unsqueeze(axis) == positions
    on_value = torch.tensor(1) if on_value is None else on_value.reshape(())
    off_value = torch.tensor(0) if off_value is None else off_value.reshape(())
    return torch.where(hot, on_value, off_value)


@operator("pad", moves_data=True)
def pad(x: Tensor, pad: list[int], mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    if min(pad, default=0) < 0 or len(pad) % 2 or len(pad) > 2 * x.dim():
        raise OperationError(f"pad {pad}: expected pairs of sizes for up to {x.dim()} dimensions")
    # The pairs are for the last dimensions, in order. torch expects the last dimension's pair first.
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    unpadded = x.dim() - len(pairs)
    padded = [size + sum(pair) for size, pair in zip(x.shape[unpadded:], pairs, strict=True)]
    checked_shape([*x.shape[:unpadded], *padded])
    if mode == "constant":
        return F.pad(x, [size for pair in reversed(pairs) for size in pair], value=constant_val)
    if mode not in ("reflect", "replicate"):
        raise OperationError(f"mode '{mode}': expected constant, reflect or replicate")
    for axis, pair in enumerate(pairs, start=unpadded):
        if any(pair):
            x = x.index_select(axis, _padded_positions(x.shape[axis], pair, mode))
    return x


def _padded_positions(size: int, pair: tuple[int, int], mode: str) -> Tensor:
    """Return the index from which each element of a padded dimension comes."""
    before, after = pair
    limit = size - 1 if mode == "reflect" else size
    if max(pair) > limit:
        raise OperationError(f"{mode} pads {pair}: expected at most {limit} for a size of {size}")
    positions = torch.arange(-before, size + after)
    if mode == "replicate":
        return positions.clamp(0, size - 1)
    return (size - 1) - ((size - 1) - positions.abs()).abs()


@operator("range_1d")
def range_1d(end: Tensor, start: Tensor, step: Tensor, context: Context) -> Tensor:
    first, last, stride = start.item(), end.item(), step.item()
    if stride == 0:
        raise OperationError("step 0: expected any other number")
    declared = context.declared().dtype
    if declared.is_float:
        # Rounding may decide whether the last step counts, so the declared type is used.
        rounded = [declared.numpy.type(item) for item in (first, last, stride)]
        count = ceil((rounded[1] - rounded[0]) / rounded[2])
    else:
        count = -((first - last) // stride)
    steps = torch.arange(
        checked_count(max(count, 0)), dtype=torch.float64 if declared.is_float else torch.int64
    )
    return first + steps * stride


@operator("tile", moves_data=True)
def tile(x: Tensor, reps: list[int]) -> Tensor:
    if len(reps) != x.dim() or min(reps, default=0) < 0:
        raise OperationError(f"reps {reps}: expected {x.dim()} numbers, none below 0")
    if all(1 in pair for pair in zip(reps, x.shape, strict=True)):
        return x.expand([rep * size for rep, size in zip(reps, x.shape, strict=True)])
    checked_shape([rep * size for rep, size in zip(reps, x.shape, strict=True)])
    return x.repeat(reps)


@operator("argsort", moves_data=True)
def argsort(x: Tensor, axis: int = -1, ascending: bool = False) -> Tensor:
    return x.argsort(dim=axis, descending=not ascending, stable=True)


@operator("topk", without=["sort", "return_indices"], moves_data=True)
@operator("topk", since=Opset.iOS16, moves_data=True)
def topk(
    x: Tensor,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
) -> tuple[Tensor, ...]:
    return _topk(x, k, axis, ascending)[: 1 + return_indices]


@operator("topk", since=Opset.iOS17, moves_data=True)
def topk_with_typed_indices(
    x: Tensor,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> tuple[Tensor, ...]:
    limits = {"int32": 2**31, "uint16": 2**16}
    if output_indices_dtype not in limits:
        raise OperationError(
            f"output_indices_dtype '{output_indices_dtype}': expected {' or '.join(limits)}"
        )
    if x.shape[axis] > limits[output_indices_dtype]:
        raise OperationError(
            f"indices of {x.shape[axis]} elements do not fit {output_indices_dtype}: expected at "
            f"most {limits[output_indices_dtype]} elements"
        )
    return _topk(x, x.shape[axis] if k == -1 else k, axis, ascending)[: 1 + return_indices]


def _topk(x: Tensor, k: int, axis: int, ascending: bool) -> tuple[Tensor, Tensor]:
    """Return the values in order, with their indices. Equal values keep their order in ``x``.

    ``sort=False`` promises no order, so this order is right in that case as well.
    """
    values, indices = x.sort(dim=axis, descending=not ascending, stable=True)
    return values.narrow(axis, 0, k), indices.narrow(axis, 0, k)


@operator("flatten2d", moves_data=True)
def flatten2d(x: Tensor, axis: int = 1) -> Tensor:
    if not -x.dim() <= axis <= x.dim():
        raise OperationError(f"axis {axis}: expected at most the rank {x.dim()} of x")
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


@operator("shape", moves_data=True)
def shape(x: Tensor) -> Tensor:
    return torch.tensor(x.shape, dtype=torch.int64)


@operator("concat", moves_data=True)
def concat(values: list[Tensor], axis: int, interleave: bool = False) -> Tensor:
    if values[0].dim() == 0:
        return torch.stack(values, axis)
    if not interleave:
        return torch.cat(values, axis)
    axis = positive_axis(axis, values[0].dim())
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


@operator("stack", moves_data=True)
def stack(values: list[Tensor], axis: int) -> Tensor:
    return torch.stack(values, axis)


@operator("split", moves_data=True)
def split(
    x: Tensor, axis: int, num_splits: int | None = None, split_sizes: list[int] | None = None
) -> tuple[Tensor, ...]:
    if split_sizes is None:
        if not num_splits or x.shape[axis] % num_splits:
            raise OperationError(
                f"num_splits {num_splits}: expected a divisor of the size {x.shape[axis]}"
            )
        split_sizes = [x.shape[axis] // num_splits] * num_splits
    if num_splits not in (None, len(split_sizes)):
        raise OperationError(
            f"num_splits {num_splits}: expected the number of split_sizes {split_sizes}"
        )
    return x.split(split_sizes, axis)
