"""Convolutions by torch's kernels, in pieces that stay in the processor's cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.memory import empty
from validation.mil_runtime.arithmetic.pieces import PIECE, rows_in_pieces, rows_of, slices, widened

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
# Channels that the kernels of depthwise convolutions compute side by side.
_CHANNELS = 16
# Elements of a piece of a depthwise convolution. Its input and its result fit into a third-level cache. All
# pieces have more than 20,480 elements, below which torch has another kernel.
_DEPTHWISE_PIECE = 1 << 20
# Elements of a piece of rows. Those at its edges are computed for two pieces.
ROWS_PIECE = 1 << 19
# Kernels may add in another order if there are only a few rows.
_FEWEST_ROWS = 8
# From this batch size on, torch leaves the matrix product of a 1×1 convolution to another library.
_KERNEL_BATCH = 16


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: Sequence[int],
    padding: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> Tensor:
    """Convolve ``x`` (B, C, …). Float16 is computed in float32, and the result is rounded once.

    Args:
        x: the input.
        weight: (output channels, channels of a group, …).
        bias: (output channels,), if any.
        strides: a stride for each spatial dimension.
        padding: for each spatial dimension, the number of zeros on either side.
        dilations: a dilation for each spatial dimension.
        groups: the number of groups of channels.

    Returns:
        A tensor of the type of ``x``.
    """
    weight, bias = widened(weight), None if bias is None else widened(bias)
    if _is_matrix_product(x, weight, strides, padding, groups):
        return _multiply(x, weight.flatten(1), bias)
    kernel = _CONVOLUTIONS[x.dim() - 2]
    if 1 < groups == x.shape[1] == len(weight) and x.numel() > PIECE and x.is_contiguous():
        return _by_channels(
            lambda piece, some: kernel(
                piece.to(weight.dtype),
                weight[some],
                None if bias is None else bias[some],
                strides,
                padding,
                dilations,
                piece.shape[1],
            ),
            x,
        )
    if groups == 1 and x.dim() == 4 and x.numel() > ROWS_PIECE and x.is_contiguous():
        return by_rows(
            lambda rows: kernel(
                rows.to(weight.dtype), weight, bias, strides, (0, padding[1]), dilations
            ),
            x,
            Window((weight.shape[2] - 1) * dilations[0] + 1, strides[0], padding[0]),
        )
    result = kernel(x.to(weight.dtype), weight, bias, strides, padding, dilations, groups)
    return result.to(x.dtype)


@dataclass(frozen=True)
class Window:
    """The rows that a row of a convolution's result comes from.

    Attributes:
        extent: how many.
        stride: how much farther down those of the next row are.
        padding: the rows of zeros above and below the input.
    """

    extent: int
    stride: int
    padding: int


def by_rows(compute: Callable[[Tensor], Tensor], x: Tensor, window: Window) -> Tensor:
    """Convolve some rows of pictures ``x`` (B, C, H, W) at a time.

    Args:
        compute: convolves rows, without padding above and below them.
        x: the input.
        window: which rows a row of the result comes from.
    """
    height = x.shape[2]
    count = (height + 2 * window.padding - window.extent) // window.stride + 1
    step = max(_FEWEST_ROWS, ROWS_PIECE // (x[:, :, 0].numel() * window.stride))
    result = None
    for some in slices(count, step):
        first = some.start * window.stride - window.padding
        end = (some.stop - 1) * window.stride - window.padding + window.extent
        rows = x[:, :, max(first, 0) : min(end, height)]
        if first < 0 or end > height:
            rows = F.pad(rows, (0, 0, max(-first, 0), max(end - height, 0)))
        part = compute(rows)
        if result is None:
            result = _empty_like_part(part, count, x.dtype)
        result[:, :, some] = part
    return result


def _empty_like_part(part: Tensor, height: int, dtype: torch.dtype) -> Tensor:
    """Return pictures of another height, with the memory layout of ``part``."""
    batch, channels, _, width = part.shape
    if part.is_contiguous():
        return empty((batch, channels, height, width), dtype)
    return empty((batch, height, width, channels), dtype).permute(0, 3, 1, 2)


def _is_matrix_product(
    x: Tensor, weight: Tensor, strides: Sequence[int], padding: Sequence[int], groups: int
) -> bool:
    """Return whether a convolution multiplies each position by one matrix, and memory has no gaps."""
    ones = (groups, *weight.shape[2:], *strides)
    return (
        all(size == 1 for size in ones)
        and not any(padding)
        and len(x) < _KERNEL_BATCH
        and (x.is_contiguous() or _has_channels_last(x))
    )


def _has_channels_last(x: Tensor) -> bool:
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply each position of ``x`` (B, C, …) by ``weight`` (K, C). The result keeps the memory layout."""
    if not x.is_contiguous():
        rows = x.permute(0, 2, 3, 1)  # (B, C, H, W) → (B, H, W, C)
        result = rows_in_pieces(lambda piece: F.linear(piece, weight, bias), rows, len(weight))
        return result.permute(0, 3, 1, 2)
    columns = x.flatten(2)  # (B, C, …) → (B, C, N)
    result = empty((len(x), len(weight), columns.shape[-1]), x.dtype)
    for item, place in zip(columns, result, strict=True):
        for some in slices(columns.shape[-1], rows_of(max(weight.shape))):
            piece = item[:, some].to(weight.dtype)
            place[:, some] = (
                weight @ piece if bias is None else torch.addmm(bias[:, None], weight, piece)
            )
    return result.reshape(len(x), len(weight), *x.shape[2:])


def _by_channels(compute: Callable[[Tensor, slice], Tensor], x: Tensor) -> Tensor:
    """Convolve some channels at a time, since each depends on itself alone."""
    batches = _DEPTHWISE_PIECE * x.shape[1] // (x.numel() * _CHANNELS)
    result = None
    for some in slices(x.shape[1], _CHANNELS * max(1, batches)):
        part = compute(x[:, some], some)
        if result is None:
            result = empty((len(x), x.shape[1], *part.shape[2:]), x.dtype)
        result[:, some] = part
    return result
