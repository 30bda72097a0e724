"""Places the windows of convolutions and pools on their input, for every ``pad_type``.

Semantics: coremltools' ``ops/defs/_utils.py``, and its tests of ``conv`` and the pools.
"""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.sizes import checked_shape
from validation.mil_runtime.errors import OperationError

# The numbers of elements to add before and after each spatial dimension.
Padding = list[tuple[int, int]]


def spatial_rank(x: Tensor) -> int:
    """Return the number of spatial dimensions: those of ``x`` after batch and channels."""
    if x.dim() not in (3, 4, 5):
        raise OperationError(
            f"x has rank {x.dim()}: expected 3 to 5, for 1 to 3 spatial dimensions"
        )
    return x.dim() - 2


def per_dimension(name: str, values: list[int] | None, default: int, count: int) -> list[int]:
    """Return a parameter's values for ``count`` dimensions, or ``default`` for each if it was left out."""
    if values is None:
        return [default] * count
    if len(values) != count:
        raise OperationError(f"{name} has {len(values)} values: expected {count}")
    return values


def find_padding(
    x: Tensor, pad_type: str, pad: list[int] | None, extents: Sequence[int], strides: Sequence[int]
) -> Padding:
    """Return the padding of a ``pad_type``.

    Args:
        x: the input.
        pad_type: one of valid, custom, same, same_lower.
        pad: the padding of the type "custom". The operators ignore it for other types.
        extents: the sizes of the windows, including dilation.
        strides: the strides of the windows.
    """
    sizes = x.shape[2:]
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom":
        flat = per_dimension("pad", pad, 0, 2 * len(sizes))
        padding = list(zip(flat[::2], flat[1::2], strict=True))
    elif pad_type in ("same", "same_lower"):
        totals = [
            max(0, (math.ceil(size / stride) - 1) * stride + extent - size)
            for size, extent, stride in zip(sizes, extents, strides, strict=True)
        ]
        padding = [split_padding(total, pad_type == "same_lower") for total in totals]
    else:
        raise OperationError(
            f"pad_type '{pad_type}': expected one of valid, custom, same, same_lower"
        )
    padded = [size + sum(pair) for size, pair in zip(sizes, padding, strict=True)]
    checked_shape([*x.shape[:2], *padded])
    return padding


def split_padding(total: int, more_before: bool = False) -> tuple[int, int]:
    """Split ``total`` elements into those before and after. An odd one goes after, or before if asked."""
    smaller, larger = total // 2, total - total // 2
    return (larger, smaller) if more_before else (smaller, larger)


def is_symmetric(padding: Padding) -> bool:
    """Return whether the padding is the same on both sides, so that torch's kernels can pad."""
    return all(before == after for before, after in padding)


def pad_spatial(x: Tensor, padding: Padding, value: float = 0.0) -> Tensor:
    """Pad ``x`` with ``value``. Negative amounts crop."""
    # torch expects the last dimension first.
    flat = [amount for pair in reversed(padding) for amount in pair]
    return F.pad(x, flat, value=value) if any(flat) else x
