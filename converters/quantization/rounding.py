"""Rounding the weights of a layer so that its outputs stay what they are (GPTQ: Frantar et al. 2023, arXiv:2210.17323).

Rounding each weight to the nearest value treats all errors alike. Here the columns of a matrix are rounded one after
the other, and the weights that are not yet rounded make up for the errors of those that are, as far as the inputs of
their columns go together.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from converters.quantization.grid import Grid, fit_grids
from converters.quantization.input_moments import InputMoments
from converters.quantization.quantized_weight import QuantizedWeight
from converters.quantization.weight_formats import Integers, WeightFormat
from converters.quantization.weight_matrix import WeightMatrix
from reference.common.errors import ConversionError

# This share of the mean diagonal is added to the moments. They are measured on a few photos, and compensation that
# holds for those alone would hurt on others.
_DAMPING = 0.01
# So many columns are rounded before the columns behind them are corrected, with one product of matrices.
_STRIDE = 128


def round_weights(
    module: nn.Module, formats: Mapping[str, WeightFormat], moments: InputMoments
) -> dict[str, QuantizedWeight]:
    """Quantize the weights of layers.

    Args:
        module: the module that has the layers. It is not changed.
        formats: path of each layer → how its weight is to be stored.
        moments: path of each layer → second moments of what it reads; see ``measure_input_moments``.

    Raises:
        ConversionError: blocks of a format do not divide the input channels of a layer.
    """
    layers = {path: module.get_submodule(path) for path in formats}
    for path, layer in layers.items():
        if not fits(layer, formats[path]):
            inputs, block = WeightMatrix.of(layer).inputs, formats[path].block
            raise ConversionError(
                f"{path} has {inputs} input channels, which blocks of {block} do not divide: choose another scheme"
            )
    return {
        path: round_weight(layer, formats[path], moments[path]) for path, layer in layers.items()
    }


def fits(layer: nn.Module, weight_format: WeightFormat) -> bool:
    """Return whether the weight of a layer can be stored in a format: the blocks divide its input channels."""
    block = weight_format.block if isinstance(weight_format, Integers) else None
    return block is None or WeightMatrix.of(layer).inputs % block == 0


@torch.no_grad()
def round_weight(layer: nn.Module, weight_format: WeightFormat, moments: Tensor) -> QuantizedWeight:
    """Quantize the weight of a linear layer or convolution.

    Args:
        layer: the layer. It is not changed.
        weight_format: how the weight is to be stored.
        moments: second moments of what the layer reads, (groups, columns, columns); see ``measure_input_moments``.
    """
    matrix = WeightMatrix.of(layer)
    importance = moments.diagonal(dim1=1, dim2=2).float()
    grids = fit_grids(weight_format, matrix, importance)
    codes = [_round_columns(*group) for group in zip(matrix.values, moments, grids, strict=True)]
    return QuantizedWeight.of(layer, matrix, weight_format, grids, torch.stack(codes))


def _round_columns(values: Tensor, moments: Tensor, grid: Grid) -> Tensor:
    """Return the codes (rows, columns) of a matrix."""
    columns = values.shape[1]
    # The columns with the largest inputs come first, while there are many others to make up for their errors.
    order = moments.diagonal().argsort(descending=True, stable=True)
    factor = _compensation(moments[order][:, order])
    remaining = values[:, order].double()
    codes = torch.empty(values.shape, dtype=torch.long)
    for first in range(0, columns, _STRIDE):
        end = min(first + _STRIDE, columns)
        errors = torch.empty(len(values), end - first, dtype=remaining.dtype)
        for position in range(first, end):
            column = int(order[position])
            codes[:, column] = grid.codes(remaining[:, position], column)
            rounded = grid.values(codes[:, column], column)
            error = (remaining[:, position] - rounded) / factor[position, position]
            remaining[:, position:end] -= error[:, None] * factor[position, position:end]
            errors[:, position - first] = error
        remaining[:, end:] -= errors @ factor[first:end, end:]
    return codes


def _compensation(moments: Tensor) -> Tensor:
    """Return the upper Cholesky factor of the inverse of the moments.

    Row j, divided by its diagonal, says how the columns behind j make up for an error of column j.
    """
    mean = moments.diagonal().mean()
    # A layer that read only zeros gives no reason to prefer one rounding to another.
    damping = mean * _DAMPING if mean > 0 else 1.0
    moments = moments + damping * torch.eye(len(moments), dtype=moments.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    return torch.linalg.cholesky(inverse, upper=True)
