"""Pools: the mean, the largest value or the L2 norm of every window.

Semantics: coremltools' ``ops/defs/iOS15/pool.py``.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.windows import (
    Padding,
    find_padding,
    is_symmetric,
    pad_spatial,
    per_dimension,
    spatial_rank,
)
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import operator

_MEANS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_LARGEST = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


@dataclass(frozen=True)
class _Windows:
    """The positions of windows, with one value per spatial dimension."""

    sizes: list[int]
    strides: list[int]
    padding: Padding
    ceil_mode: bool

    @property
    def torch_can_pad(self) -> bool:
        """Whether the padding is the same on both sides, and at most half a window."""
        return is_symmetric(self.padding) and all(
            2 * before <= size for size, (before, _) in zip(self.sizes, self.padding, strict=True)
        )

    @property
    def around(self) -> list[int]:
        """The padding in the form that torch's kernels expect."""
        return [before for before, _ in self.padding]

    def pad(self, x: Tensor, value: float) -> tuple[Tensor, "_Windows"]:
        """Pad an input until torch's own padding is enough. Return it, and the windows on it."""
        if self.torch_can_pad:
            return x, self
        unpadded = [(0, 0)] * len(self.sizes)
        padded = _Windows(self.sizes, self.strides, unpadded, self.ceil_mode)
        return pad_spatial(x, self.padding, value), padded


@operator("avg_pool")
def avg_pool(
    x: Tensor,
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    windows = _find_windows(x, kernel_sizes, pad_type, strides, pad, ceil_mode)
    if not exclude_padding_from_average:
        return _means(x, windows)
    _require_values_in_windows(windows, x)
    if windows.torch_can_pad:
        return _means(x, windows, with_padding=False)
    # The mean of ones with zeros around them is the share of a window that is not padding.
    return _means(x, windows) / _means(torch.ones_like(x[:1, :1]), windows)


@operator("l2_pool")
def l2_pool(
    x: Tensor,
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    if spatial_rank(x) == 1:  # torch sums windows only in two or more dimensions
        flat = l2_pool(
            x.unsqueeze(2),
            [1, *kernel_sizes],
            pad_type,
            strides and [1, *strides],
            pad and [0, 0, *pad],
            ceil_mode,
        )
        return flat.squeeze(2)
    windows = _find_windows(x, kernel_sizes, pad_type, strides, pad, ceil_mode)
    x, windows = windows.pad(x.square(), 0.0)
    sums = _MEANS[spatial_rank(x)](
        x, windows.sizes, windows.strides, windows.around, ceil_mode, divisor_override=1
    )
    return sums.sqrt()


@operator("max_pool", moves_data=True)
def max_pool(
    x: Tensor,
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    windows = _find_windows(x, kernel_sizes, pad_type, strides, pad, ceil_mode)
    _require_values_in_windows(windows, x)
    x, windows = windows.pad(x, -math.inf)
    return _LARGEST[spatial_rank(x)](
        x, windows.sizes, windows.strides, windows.around, ceil_mode=ceil_mode
    )


def _find_windows(
    x: Tensor,
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None,
    pad: list[int] | None,
    ceil_mode: bool,
) -> _Windows:
    rank = spatial_rank(x)
    sizes = per_dimension("kernel_sizes", kernel_sizes, 1, rank)
    strides = per_dimension("strides", strides, 1, rank)
    padding = find_padding(x, pad_type.lower(), pad, sizes, strides)
    windows = _Windows(sizes, strides, padding, ceil_mode)
    if ceil_mode:
        _require_ceil_mode_as_in_torch(windows, pad_type, x)
    return windows


def _require_ceil_mode_as_in_torch(windows: _Windows, pad_type: str, x: Tensor) -> None:
    """Refuse ``ceil_mode`` where torch does not support it, because torch defines its meaning."""
    if pad_type.lower() not in ("valid", "custom") or not windows.torch_can_pad:
        raise OperationError(
            f"ceil_mode with pad_type '{pad_type}' and padding {windows.padding}: expected valid, "
            "or custom with the same padding on both sides, of half a window at most"
        )
    for length, size, stride, before in zip(
        x.shape[2:], windows.sizes, windows.strides, windows.around, strict=True
    ):
        # torch always drops such a window; MIL drops it only if there is padding.
        if before == 0 and math.ceil((length - size) / stride) * stride >= length:
            raise OperationError(
                f"ceil_mode: with windows of {size} every {stride}, one is wholly beyond {length} "
                "values; expected each to contain a value"
            )


def _require_values_in_windows(windows: _Windows, x: Tensor) -> None:
    for length, size, stride, (before, after) in zip(
        x.shape[2:], windows.sizes, windows.strides, windows.padding, strict=True
    ):
        last = (length + before + after - size) // stride * stride - before
        if before >= size or last >= length:
            raise OperationError(
                f"padding {(before, after)} with windows of {size}: one contains only padding, "
                "for which there is no result"
            )


def _means(x: Tensor, windows: _Windows, with_padding: bool = True) -> Tensor:
    x, windows = windows.pad(x, 0.0)
    return _MEANS[spatial_rank(x)](
        x, windows.sizes, windows.strides, windows.around, windows.ceil_mode, with_padding
    )
