"""Layers whose inputs and outputs are (1, H, W, C), and the strips in which they work on large images."""

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from reference.modeling.layers import LayerNorm2d

# A strip is a number of rows whose largest intermediate tensor has about this size. The tensor then stays in the cache
# until the next layer reads it, and the whole image never exists with the hidden channels.
STRIP_BYTES = 3 * 2**20
_BYTES_PER_VALUE = 4


def row_strips(height: int, row_values: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end row of each strip, for rows of ``row_values`` intermediate values."""
    rows = max(1, STRIP_BYTES // (_BYTES_PER_VALUE * row_values))
    return ((first, min(first + rows, height)) for first in range(0, height, rows))


def pad_rows(x: Tensor, above: bool, below: bool) -> Tensor:
    """Add a row of zeros to (1, H, W, C) on the sides where the image ends."""
    return pad(x, (0, 0, 0, 0, int(above), int(below))) if above or below else x


class ChannelsLastConv2d(nn.Conv2d):
    """A convolution of (1, H, W, C)."""

    @classmethod
    def of(cls, conv: nn.Conv2d) -> Self:
        """Return a convolution with the weights of ``conv``."""
        return cls._of(conv, conv.padding)

    @classmethod
    def of_strips(cls, conv: nn.Conv2d) -> Self:
        """Return a convolution with the weights of ``conv`` that pads columns, but not rows.

        Its input is a strip, which has the rows beside it that the kernel needs.
        """
        return cls._of(conv, (0, conv.padding[1]))

    @classmethod
    def _of(cls, conv: nn.Conv2d, padding: tuple[int, int]) -> Self:
        layer = cls(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            padding,
            groups=conv.groups,
            bias=conv.bias is not None,
        )
        layer.load_state_dict(conv.state_dict())
        layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
        return layer

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class PointwiseConv2d(nn.Linear):
    """A 1×1 convolution, which is a linear layer over the channels."""

    @classmethod
    def of(cls, conv: nn.Conv2d) -> Self:
        """Return a linear layer with the weights of a convolution."""
        layer = cls(conv.in_channels, conv.out_channels, bias=conv.bias is not None)
        layer.weight.data.copy_(conv.weight.data.flatten(1))
        if conv.bias is not None:
            layer.bias.data.copy_(conv.bias.data)
        return layer


class InPlaceGELU(nn.GELU):
    """The exact GELU, which overwrites its input."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.aten.gelu_(x, approximate=self.approximate)


def channel_layer_norm(norm: LayerNorm2d) -> nn.LayerNorm:
    """Return the layer normalization over the last axis that has the weights of ``norm``."""
    layer = nn.LayerNorm(len(norm.weight), norm.eps)
    layer.load_state_dict(norm.state_dict())
    return layer


class PatchConv2d(nn.Linear):
    """A convolution whose patches do not overlap, as a linear layer: (1, H, W, C) → (1, H/k, W/k, C')."""

    @classmethod
    def of(cls, conv: nn.Conv2d) -> Self:
        """Return a linear layer with the weights of a convolution whose stride is its kernel size."""
        side = conv.stride[0]
        layer = cls(side * side * conv.in_channels, conv.out_channels)
        # (C', C, k, k) → (C', k*k*C), in the order of a patch's values
        layer.weight.data.copy_(conv.weight.data.permute(0, 2, 3, 1).flatten(1))
        layer.bias.data.copy_(conv.bias.data)
        layer.side = side
        return layer

    def forward(self, x: Tensor) -> Tensor:
        _, height, width, channels = x.shape
        side = self.side
        rows, columns = height // side, width // side
        patches = x.reshape(1, rows, side, columns, side, channels).transpose(2, 3)
        return super().forward(patches.reshape(1, rows, columns, side * side * channels))


class PatchConvTranspose2d(nn.Linear):
    """A transposed convolution whose patches do not overlap, as a linear layer: (N, C) → (N*k*k, C').

    The k*k pixels of a patch follow each other, so that nothing is moved between two such layers.
    """

    @classmethod
    def of(cls, conv: nn.ConvTranspose2d) -> Self:
        """Return a linear layer with the weights of a transposed convolution whose stride is its kernel size."""
        side = conv.stride[0]
        layer = cls(conv.in_channels, side * side * conv.out_channels)
        # (C, C', k, k) → (k*k*C', C)
        layer.weight.data.copy_(conv.weight.data.permute(2, 3, 1, 0).flatten(0, 2))
        layer.bias.data.copy_(conv.bias.data.repeat(side * side))
        layer.out_channels = conv.out_channels
        return layer

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).reshape(-1, self.out_channels)
