"""Operators that rearrange a tensor's elements. They return views wherever torch can.

Semantics: coremltools' ``ops/defs/iOS15/tensor_transformation.py`` and its successors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import operator


def positive_axis(axis: int, rank: int) -> int:
    """Return ``axis`` counted from the first dimension.

    Raises:
        OperationError: the tensor has no such axis.
    """
    if not -rank <= axis < rank:
        raise OperationError(f"axis {axis}: expected one of a tensor of rank {rank}")
    return axis % rank


@operator("depth_to_space", moves_data=True)
def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    n, c, h, w = x.shape
    blocks = x.reshape(n, block_size, block_size, c // block_size**2, h, w)
    # The offsets in a block are the outer part of the channel here, and the inner part in pixel_shuffle.
    pixels = blocks.permute(0, 3, 4, 1, 5, 2)  # [n, C, h, block row, w, block column]
    return pixels.reshape(n, c // block_size**2, h * block_size, w * block_size)


@operator("space_to_depth", moves_data=True)
def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    n, c, h, w = x.shape
    rows, columns = h // block_size, w // block_size
    blocks = x.reshape(n, c, rows, block_size, columns, block_size)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(n, c * block_size**2, rows, columns)


@operator("pixel_shuffle", moves_data=True)
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    return F.pixel_shuffle(x, upscale_factor)


@operator("pixel_unshuffle", since=Opset.iOS16, moves_data=True)
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    return F.pixel_unshuffle(x, downscale_factor)


@operator("space_to_batch", moves_data=True)
def space_to_batch(x: Tensor, block_shape: list[int], paddings: Tensor) -> Tensor:
    (top, bottom), (left, right) = paddings.tolist()
    x = F.pad(x, (left, right, top, bottom))
    block_h, block_w = block_shape
    n, c, h, w = x.shape
    rows, columns = h // block_h, w // block_w
    blocks = x.reshape(n, c, rows, block_h, columns, block_w)
    # The offsets in a block are the outer part of the new batch: [block_h, block_w, n, ...]
    return blocks.permute(3, 5, 0, 1, 2, 4).reshape(n * block_h * block_w, c, rows, columns)


@operator("batch_to_space", moves_data=True)
def batch_to_space(x: Tensor, block_shape: list[int], crops: Tensor) -> Tensor:
    (top, bottom), (left, right) = crops.tolist()
    block_h, block_w = block_shape
    n, c, h, w = x.shape
    batch = n // (block_h * block_w)
    blocks = x.reshape(block_h, block_w, batch, c, h, w)
    pixels = blocks.permute(2, 3, 4, 0, 5, 1).reshape(batch, c, h * block_h, w * block_w)
    return pixels[:, :, top : h * block_h - bottom, left : w * block_w - right]


@operator("expand_dims", moves_data=True)
def expand_dims(x: Tensor, axes: list[int]) -> Tensor:
    rank = x.dim() + len(axes)
    for axis in sorted(positive_axis(axis, rank) for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator("squeeze", moves_data=True)
def squeeze(x: Tensor, axes: list[int] | None = None) -> Tensor:
    # In both cases torch ignores axes whose size is not 1, as MIL does.
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@operator("transpose", moves_data=True)
def transpose(x: Tensor, perm: list[int]) -> Tensor:
    return x.permute(perm)


@operator("reshape", moves_data=True)
def reshape(x: Tensor, shape: list[int]) -> Tensor:
    if 0 in shape and len(shape) != x.dim():
        raise OperationError(
            f"shape {shape}: a 0 stands for a size of x, so expected {x.dim()} sizes"
        )
    return _reshape(x, shape)


@operator("reshape", since=Opset.iOS17, moves_data=True)
def reshape_to_any_rank(x: Tensor, shape: list[int]) -> Tensor:
    return _reshape(x, shape)


def _reshape(x: Tensor, shape: list[int]) -> Tensor:
    """Reshape ``x``. A 0 in ``shape`` keeps the size of ``x`` at that position, counted from the last.

    A 0 before the first axis of ``x`` gives 1.
    """
    surplus = len(shape) - x.dim()
    sizes = [
        size or (x.shape[axis - surplus] if axis >= surplus else 1)
        for axis, size in enumerate(shape)
    ]
    return x.reshape(sizes)


@operator("reshape_like", since=Opset.iOS16, moves_data=True)
def reshape_like(
    x: Tensor,
    ref_tensors: list[Tensor],
    begins: list[Tensor],
    ends: list[Tensor],
    end_masks: list[Tensor],
) -> Tensor:
    shape = []
    for reference, begin, end, open_end in zip(ref_tensors, begins, ends, end_masks, strict=True):
        shape += reference.shape[int(begin) : None if open_end else int(end)]
    return x.reshape(shape)


@operator("reverse", moves_data=True)
def reverse(x: Tensor, axes: list[int] | None = None) -> Tensor:
    return x.flip(tuple(range(x.dim())) if axes is None else axes)


@operator("reverse_sequence", moves_data=True)
def reverse_sequence(
    x: Tensor, lengths: list[int], seq_axis: int = 0, batch_axis: int = 0
) -> Tensor:
    seq_axis, batch_axis = positive_axis(seq_axis, x.dim()), positive_axis(batch_axis, x.dim())
    if seq_axis == batch_axis:
        raise OperationError(
            f"seq_axis and batch_axis are both {seq_axis}: expected two different axes"
        )
    size = x.shape[seq_axis]
    if len(lengths) != x.shape[batch_axis] or not all(0 <= length <= size for length in lengths):
        raise OperationError(
            f"lengths {lengths}: expected {x.shape[batch_axis]} of them, from 0 to {size}"
        )
    length = torch.tensor(lengths).unsqueeze(1)
    position = torch.arange(size).expand(len(lengths), size)
    source = torch.where(position < length, length - 1 - position, position)  # [batch, seq]
    others = [axis for axis in range(x.dim()) if axis not in (batch_axis, seq_axis)]
    moved = x.permute(batch_axis, seq_axis, *others)
    rows = torch.arange(len(lengths)).unsqueeze(1)
    return moved[rows, source].movedim((0, 1), (batch_axis, seq_axis))


@operator("sliding_windows", moves_data=True)
def sliding_windows(x: Tensor, axis: int, size: int, stride: int = 1) -> Tensor:
    axis = positive_axis(axis, x.dim())
    return x.unfold(axis, size, stride).movedim(-1, axis + 1)


@operator("slice_by_size", moves_data=True)
def slice_by_size(x: Tensor, begin: list[int], size: list[int]) -> Tensor:
    for axis, (first, count) in enumerate(zip(begin, size, strict=True)):
        first += x.shape[axis] if first < 0 else 0
        x = x.narrow(axis, first, x.shape[axis] - first if count == -1 else count)
    return x


@operator("slice_by_index", moves_data=True)
def slice_by_index(
    x: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    view, reversed_axes = _slice(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    return view.flip(reversed_axes) if reversed_axes else view


@operator("slice_update", since=Opset.iOS18, moves_data=True)
def slice_update(
    x: Tensor,
    update: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    updated = x.clone()
    view, reversed_axes = _slice(updated, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    if view.shape != update.shape:
        raise OperationError(
            f"update has the shape {list(update.shape)}: expected that of the slice, {list(view.shape)}"
        )
    view.copy_(update.flip(reversed_axes) if reversed_axes else update)
    return updated


def _slice(
    x: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None,
    begin_mask: list[bool] | None,
    end_mask: list[bool] | None,
    squeeze_mask: list[bool] | None,
) -> tuple[Tensor, list[int]]:
    """Return a view of the slice's elements, and the axes that the slice reverses.

    As in numpy, negative indices count from the end, and ends beyond ``x`` are clamped.
    """
    rank = x.dim()
    stride = [1] * rank if stride is None else stride
    masks = [[False] * rank if m is None else m for m in (begin_mask, end_mask, squeeze_mask)]
    parts = zip(begin, end, stride, *masks, x.shape, strict=True)
    index, reversed_axes = [], []
    for first, last, step, from_start, to_end, single, size in parts:
        first = None if from_start else first
        if single:
            index.append(first or 0)
            continue
        positions = range(size)[slice(first, None if to_end else last, step)]
        if positions.step < 0:
            reversed_axes.append(sum(isinstance(item, slice) for item in index))
            positions = positions[::-1]
        if positions:
            index.append(slice(positions[0], positions[-1] + 1, positions.step))
        else:
            index.append(slice(0, 0))
    return x[tuple(index)], reversed_axes
