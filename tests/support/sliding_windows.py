"""Windows of a tensor, laid out one by one, against which convolutions and pools are checked."""

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
    """Return the windows of ``x``, after padding it with ``value``.

    Args:
        x: (N, C, \\*space).
        sizes: size of a window along each axis of space.
        strides: distance between windows along each axis.
        padding: numbers of elements before and after each axis.
        dilations: distance between the elements of a window along each axis. Default: 1.
        value: the value of the padding.

    Returns:
        (N, C, \\*windows, \\*sizes).
    """
    x = F.pad(x, [amount for pair in reversed(padding) for amount in pair], value=value)
    dilations = dilations or [1] * len(sizes)
    for axis, (size, stride, dilation) in enumerate(zip(sizes, strides, dilations, strict=True)):
        x = x.unfold(2 + axis, (size - 1) * dilation + 1, stride)[..., ::dilation]
    return x
