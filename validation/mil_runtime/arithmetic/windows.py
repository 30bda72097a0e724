"""Where the windows of convolutions and pools lie on their input, for every ``pad_type``.

Semantics: coremltools' ``ops/defs/_utils.py`` and the tests of ``conv`` and of the pools.
"""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.sizes import checked_shape
from validation.mil_runtime.errors import OperationError

# Elements to add before and after each spatial dimension.
Padding = list[tuple[int, int]]


def spatial_rank(x: Tensor) -> int:
    """How many dimensions windows move in: those of ``x`` after batch and channels."""
    if x.dim() not in (3, 4, 5):
        raise OperationError(
            f"x has rank {x.dim()}: expected 3 to 5, for 1 to 3 spatial dimensions"
        )
    return x.dim() - 2


def per_dimension(name: str, values: list[int] | None, default: int, count: int) -> list[int]:
    """A parameter that has a value for each of ``count`` dimensions, or none at all."""
    if values is None:
        return [default] * count
    if len(values) != count:
        raise OperationError(f"{name} has {len(values)} values: expected {count}")
    return values


def find_padding(
    x: Tensor, pad_type: str, pad: list[int] | None, extents: Sequence[int], strides: Sequence[int]
) -> Padding:
    """What to pad; ``extents`` are sizes of the windows, dilation included.

    Args:
        pad: used for the type "custom" alone, as the operators ignore it otherwise.
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
    """``total`` elements before and after; an odd one goes after, or else before."""
    smaller, larger = total // 2, total - total // 2
    return (larger, smaller) if more_before else (smaller, larger)


def is_symmetric(padding: Padding) -> bool:
    """Whether torch's kernels can pad by themselves."""
    return all(before == after for before, after in padding)


def pad_spatial(x: Tensor, padding: Padding, value: float = 0.0) -> Tensor:
    """``x`` with ``value`` around it; negative amounts crop."""
    flat = [amount for pair in reversed(padding) for amount in pair]  # torch: last dimension first
    return F.pad(x, flat, value=value) if any(flat) else x
