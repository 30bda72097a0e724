"""Windows of a tensor, laid out one by one: what convolutions and pools are checked against."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def sliding_windows(
    x: Tensor,
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilations: Sequence[int] | None = None,
    value: float = 0.0,
) -> Tensor:
    """[n, channels, \\*windows, \\*sizes] of x [n, channels, \\*space] with ``value`` around it."""
    x = F.pad(x, [amount for pair in reversed(padding) for amount in pair], value=value)
    dilations = dilations or [1] * len(sizes)
    for axis, (size, stride, dilation) in enumerate(zip(sizes, strides, dilations, strict=True)):
        x = x.unfold(2 + axis, (size - 1) * dilation + 1, stride)[..., ::dilation]
    return x
