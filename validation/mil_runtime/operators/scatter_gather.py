"""Operators that read or write the elements of a tensor at indices.

Semantics: coremltools' ``ops/defs/iOS15/scatter_gather.py`` and its successors. Up to iOS16, negative
indices count from the end; from iOS17 on they are out of range. For an index out of range, Core ML's result
is undefined unless ``validate_indices`` makes it refuse. Here every such index is refused.
"""

from math import prod

import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.operators.tensor_transformation import positive_axis
from validation.mil_runtime.registry import operator


@operator("gather", without=["batch_dims"], moves_data=True)
@operator("gather", since=Opset.iOS16, moves_data=True)
def gather(x: Tensor, indices: Tensor, axis: int = 0, batch_dims: int = 0) -> Tensor:
    return _gather(x, indices, axis, batch_dims, negative=True)


@operator("gather", since=Opset.iOS17, moves_data=True)
def gather_at_positive(
    x: Tensor, indices: Tensor, axis: int = 0, batch_dims: int = 0, validate_indices: bool = False
) -> Tensor:
    return _gather(x, indices, axis, batch_dims, negative=False)


def _gather(x: Tensor, indices: Tensor, axis: int, batch_dims: int, negative: bool) -> Tensor:
    axis = positive_axis(axis, x.dim())
    _require_batch_dims(batch_dims, x.shape[:axis], indices.shape)
    index = _in_range(indices, x.shape[axis], negative)
    shape = x.shape[:axis] + indices.shape[batch_dims:] + x.shape[axis + 1 :]
    if batch_dims == 0:
        return x.index_select(axis, index.reshape(-1)).reshape(shape)
    batch, before = prod(x.shape[:batch_dims]), prod(x.shape[batch_dims:axis])
    after, count = prod(x.shape[axis + 1 :]), prod(indices.shape[batch_dims:])
    rows = x.reshape(batch, before, x.shape[axis], after)
    chosen = index.reshape(batch, 1, count, 1).expand(batch, before, count, after)
    return rows.gather(2, chosen).reshape(shape)


@operator("gather_along_axis", moves_data=True)
def gather_along_axis(x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
    return _gather_along_axis(x, indices, axis, negative=True)


@operator("gather_along_axis", since=Opset.iOS17, moves_data=True)
def gather_along_axis_at_positive(
    x: Tensor, indices: Tensor, axis: int = 0, validate_indices: bool = False
) -> Tensor:
    return _gather_along_axis(x, indices, axis, negative=False)


def _gather_along_axis(x: Tensor, indices: Tensor, axis: int, negative: bool) -> Tensor:
    axis = positive_axis(axis, x.dim())
    _require_equal_beside(axis, x, indices)
    return x.gather(axis, _in_range(indices, x.shape[axis], negative))


@operator("gather_nd", without=["batch_dims"], moves_data=True)
@operator("gather_nd", since=Opset.iOS16, moves_data=True)
def gather_nd(x: Tensor, indices: Tensor, batch_dims: int = 0) -> Tensor:
    return _gather_nd(x, indices, batch_dims, negative=True)


@operator("gather_nd", since=Opset.iOS17, moves_data=True)
def gather_nd_at_positive(
    x: Tensor, indices: Tensor, batch_dims: int = 0, validate_indices: bool = False
) -> Tensor:
    return _gather_nd(x, indices, batch_dims, negative=False)


def _gather_nd(x: Tensor, indices: Tensor, batch_dims: int, negative: bool) -> Tensor:
    _require_batch_dims(batch_dims, x.shape, indices.shape[:-1])
    row, rows = _flat_index(indices, x.shape[batch_dims:], negative)
    after = x.shape[batch_dims + indices.shape[-1] :]
    batches = x.shape[:batch_dims]
    first_rows = torch.arange(prod(batches)).reshape(*batches, *[1] * (row.dim() - batch_dims))
    row = (row + first_rows * rows).reshape(-1)
    return x.reshape(-1, *after).index_select(0, row).reshape(indices.shape[:-1] + after)


@operator("scatter")
def scatter(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int = 0, mode: str = "add"
) -> Tensor:
    return _scatter(data, indices, updates, axis, mode, negative=True)


@operator("scatter", since=Opset.iOS17)
def scatter_at_positive(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    return _scatter(data, indices, updates, axis, mode, negative=False)


def _scatter(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int, mode: str, negative: bool
) -> Tensor:
    axis = positive_axis(axis, data.dim())
    before, after = data.shape[:axis], data.shape[axis + 1 :]
    _require_updates(updates, before + indices.shape + after)
    index = _in_range(indices, data.shape[axis], negative).reshape(-1)
    updates = updates.reshape(before + index.shape + after)
    index = index.reshape(-1, *[1] * len(after)).expand_as(updates)
    return _combine(data, axis, index, updates, mode)


@operator("scatter_along_axis")
def scatter_along_axis(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int = 0, mode: str = "add"
) -> Tensor:
    return _scatter_along_axis(data, indices, updates, axis, mode, negative=True)


@operator("scatter_along_axis", since=Opset.iOS17)
def scatter_along_axis_at_positive(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    return _scatter_along_axis(data, indices, updates, axis, mode, negative=False)


def _scatter_along_axis(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int, mode: str, negative: bool
) -> Tensor:
    axis = positive_axis(axis, data.dim())
    _require_updates(updates, indices.shape)
    _require_equal_beside(axis, data, indices)
    return _combine(data, axis, _in_range(indices, data.shape[axis], negative), updates, mode)


@operator("scatter_nd")
def scatter_nd(data: Tensor, indices: Tensor, updates: Tensor, mode: str = "add") -> Tensor:
    return _scatter_nd(data, indices, updates, mode, negative=True)


@operator("scatter_nd", since=Opset.iOS17)
def scatter_nd_at_positive(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    return _scatter_nd(data, indices, updates, mode, negative=False)


def _scatter_nd(
    data: Tensor, indices: Tensor, updates: Tensor, mode: str, negative: bool
) -> Tensor:
    row, rows = _flat_index(indices, data.shape, negative)
    after = data.shape[indices.shape[-1] :]
    _require_updates(updates, row.shape + after)
    updates = updates.reshape(row.numel(), after.numel())
    index = row.reshape(-1, 1).expand_as(updates)
    return _combine(data.reshape(rows, after.numel()), 0, index, updates, mode).reshape(data.shape)


def _combine(data: Tensor, axis: int, index: Tensor, updates: Tensor, mode: str) -> Tensor:
    """Combine each update with the element of ``data`` at ``index`` of ``axis``."""
    reductions = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
    if mode in reductions:
        return data.scatter_reduce(axis, index, updates, reductions[mode])
    if mode == "update":  # if an element has several updates, the last one wins
        return data.scatter(axis, index, updates)
    if mode == "sub":
        return data.scatter_reduce(axis, index, -updates, "sum")
    if mode == "div" and data.is_floating_point():
        return data / torch.ones_like(data).scatter_reduce(axis, index, updates, "prod")
    if mode == "div":
        raise OperationError(
            "mode 'div' of integers: expected floats, because its rounding is unknown"
        )
    raise OperationError(
        f"mode '{mode}': expected one of update, sub, div, {', '.join(reductions)}"
    )


def _in_range(indices: Tensor, size: int, negative: bool) -> Tensor:
    """Check the indices of a dimension. If allowed, negative ones count from its end."""
    index = indices.long()
    lowest = -size if negative else 0
    outside = (index < lowest) | (index >= size)
    if outside.any():
        raise OperationError(f"index {index[outside][0]}: expected one from {lowest} to {size - 1}")
    return torch.where(index < 0, index + size, index) if negative else index


def _flat_index(indices: Tensor, sizes: torch.Size, negative: bool) -> tuple[Tensor, int]:
    """Return positions in the flattened dimensions that the last axis indexes, and their number."""
    depth = indices.shape[-1]
    if depth > len(sizes):
        raise OperationError(
            f"indices have {depth} components for {len(sizes)} dimensions: expected at most one for each"
        )
    flat = torch.zeros(indices.shape[:-1], dtype=torch.int64)
    for component, size in zip(indices.unbind(-1), sizes[:depth], strict=True):
        flat = flat * size + _in_range(component, size, negative)
    return flat, prod(sizes[:depth])


def _require_batch_dims(batch_dims: int, sizes: torch.Size, indexed: torch.Size) -> None:
    if not 0 <= batch_dims <= min(len(sizes), len(indexed)):
        raise OperationError(
            f"batch_dims {batch_dims}: expected up to {min(len(sizes), len(indexed))}"
        )
    if sizes[:batch_dims] != indexed[:batch_dims]:
        raise OperationError(
            f"x and indices differ in their first {batch_dims} sizes: "
            f"{list(sizes[:batch_dims])} and {list(indexed[:batch_dims])}"
        )


def _require_equal_beside(axis: int, data: Tensor, indices: Tensor) -> None:
    sizes, indexed = list(data.shape), list(indices.shape)
    if sizes[:axis] + sizes[axis + 1 :] != indexed[:axis] + indexed[axis + 1 :]:
        raise OperationError(
            f"shapes {sizes} and {indexed}: expected equal sizes except along axis {axis}"
        )


def _require_updates(updates: Tensor, shape: torch.Size) -> None:
    if updates.shape != shape:
        raise OperationError(f"updates of shape {list(updates.shape)}: expected {list(shape)}")
