"""Layers of float32 in oneDNN, with weights that are arranged once, and an activation in the same kernel."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.convolution import Window, by_rows
from validation.mil_runtime.arithmetic.pieces import rows_in_pieces

# The names that oneDNN's operators in torch have for an activation, its numbers and its variant.
_NOTHING = ("none", [], "")
_EXACT_GELU = ("gelu", [], "none")


class PackedLinear:
    """A linear layer, with an exact GELU if asked."""

    def __init__(self, weight: Tensor, bias: Tensor | None, gelu: bool) -> None:
        self._plain, self._bias = weight, bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        self._activation = _EXACT_GELU if gelu else _NOTHING

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the layer to ``x`` (…, K)."""
        if x.shape[-1] != self._plain.shape[1]:
            return F.linear(x, self._plain, self._bias)  # torch refuses it with a message
        return rows_in_pieces(self._compute, x, len(self._plain))

    def _compute(self, rows: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(
            rows.contiguous(), self._packed, self._bias, *self._activation
        )


class PackedConvolution:
    """A convolution of pictures, with an exact GELU if asked. Its result has channels last in memory."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        strides: Sequence[int],
        padding: Sequence[int],
        dilations: Sequence[int],
        groups: int,
        gelu: bool,
    ) -> None:
        self._plain, self._bias = weight, bias
        self._strides, self._padding, self._dilations = strides, padding, dilations
        self._groups = groups
        self._packed = torch.ops.mkldnn._reorder_convolution_weight(
            weight.contiguous(), padding, strides, dilations, groups
        )
        self._activation = _EXACT_GELU if gelu else _NOTHING

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve ``x`` (B, C, H, W)."""
        extents = [
            (size - 1) * dilation + 1
            for size, dilation in zip(self._plain.shape[2:], self._dilations, strict=True)
        ]
        if not self._fits(x, extents):
            return F.conv2d(  # torch refuses it with a message
                x,
                self._plain,
                self._bias,
                self._strides,
                self._padding,
                self._dilations,
                self._groups,
            )
        window = Window(extents[0], self._strides[0], self._padding[0])
        return by_rows(self._compute, x.contiguous(memory_format=torch.channels_last), window)

    def _fits(self, x: Tensor, extents: Sequence[int]) -> bool:
        padded = [size + 2 * pad for size, pad in zip(x.shape[2:], self._padding, strict=True)]
        return (
            x.numel() > 0
            and x.shape[1] == self._plain.shape[1] * self._groups
            and all(size >= extent for size, extent in zip(padded, extents, strict=True))
        )

    def _compute(self, rows: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(
            rows.contiguous(memory_format=torch.channels_last),
            self._packed,
            self._bias,
            (0, self._padding[1]),
            self._strides,
            self._dilations,
            self._groups,
            *self._activation,
        )
