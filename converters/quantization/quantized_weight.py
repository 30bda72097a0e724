"""A weight that is stored with few bits."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from converters.quantization.grid import Grid
from converters.quantization.weight_formats import Integers, WeightFormat
from converters.quantization.weight_matrix import WeightMatrix, weight_of_matrix


@dataclass(frozen=True, eq=False)
class QuantizedWeight:
    """A weight as codes, and what they stand for.

    Attributes:
        format: how the weight is stored.
        codes: uint8 or int8 in the shape of the weight: integers, or indexes into the table.
        scales: float32, or None without scales. The number of axes is that of the weight. A scale multiplies a block of
            weights: axis by axis, the shape of the weight is a multiple of that of the scales.
        table: (2**bits,) values, float32 numbers that float16 holds, or None for integers.
        values: the weights that the codes stand for, float32 in the shape of the weight.
    """

    format: WeightFormat
    codes: Tensor
    scales: Tensor | None
    table: Tensor | None
    values: Tensor

    @property
    def size(self) -> int:
        """Bytes, with scales and table in float16."""
        halves = sum(part.numel() for part in (self.scales, self.table) if part is not None)
        return math.ceil(self.codes.numel() * self.format.bits / 8) + 2 * halves

    @classmethod
    def of(
        cls,
        layer: nn.Module,
        matrix: WeightMatrix,
        weight_format: WeightFormat,
        grids: Sequence[Grid],
        indexes: Tensor,
    ) -> "QuantizedWeight":
        """Return the weight of a layer.

        Args:
            layer: the layer, for the shape of its weight.
            matrix: the weight as matrices.
            weight_format: how the weight is stored.
            grids: the grid of each matrix.
            indexes: the index of the level of each weight, (groups, rows, columns).
        """
        columns = range(indexes.shape[2])
        values = torch.stack(
            [
                torch.stack([grid.values(codes[:, column], column) for column in columns], 1)
                for grid, codes in zip(grids, indexes, strict=True)
            ]
        )
        is_integer = isinstance(weight_format, Integers)
        codes = (indexes - weight_format.largest).to(torch.int8) if is_integer else indexes.byte()
        has_scales = is_integer or weight_format.scaled
        return cls(
            format=weight_format,
            codes=weight_of_matrix(codes, layer),
            scales=_scales_of_weight(grids, matrix, layer) if has_scales else None,
            table=None if is_integer else grids[0].levels,
            values=weight_of_matrix(values, layer),
        )


@contextlib.contextmanager
def replaced_weights(module: nn.Module, weights: Mapping[str, QuantizedWeight]) -> Iterator[None]:
    """Give layers of ``module`` the values of their quantized weights in the block, in place.

    A trace of the module has them too, because it shares the weights.
    """
    layers = {path: module.get_submodule(path) for path in weights}
    originals = {path: layer.weight.detach().clone() for path, layer in layers.items()}
    for path, layer in layers.items():
        layer.weight.data.copy_(weights[path].values)
    try:
        yield
    finally:
        for path, layer in layers.items():
            layer.weight.data.copy_(originals[path])


def _scales_of_weight(grids: Sequence[Grid], matrix: WeightMatrix, layer: nn.Module) -> Tensor:
    # The rows of one output channel have the same scales.
    scales = torch.stack([grid.scales[:: matrix.taps] for grid in grids])  # (groups, out, blocks)
    if isinstance(layer, nn.ConvTranspose2d):
        scales = scales.transpose(1, 2)
    return scales.flatten(0, 1).reshape(-1, scales.shape[2], *[1] * (layer.weight.dim() - 2))
