"""The values that the weights of a matrix can take once they are stored with few bits."""

from dataclasses import dataclass

import torch
from torch import Tensor

from converters.quantization.weight_formats import Integers, Palette, WeightFormat
from converters.quantization.weight_matrix import WeightMatrix

# Candidates for a scale, relative to the one that makes the largest weight the largest integer. A smaller scale cuts
# off the largest weights and rounds all others more finely.
_SCALE_FACTORS = torch.linspace(0.6, 1.0, 21).tolist()
# Dead outputs have weights of 1e-44. This is the smallest positive float16.
_SMALLEST_SCALE = 2.0**-24
_PALETTE_ROUNDS = 30
_BINS = 4096


@dataclass(frozen=True)
class Grid:
    """Each weight is a level times a scale.

    Attributes:
        levels: (levels,), ascending.
        scales: (rows, blocks).
        block: how many consecutive columns share a scale.
    """

    levels: Tensor
    scales: Tensor
    block: int

    def codes(self, values: Tensor, column: int) -> Tensor:
        """Return the index of the nearest level for each weight of a column, (rows,)."""
        boundaries = (self.levels[1:] + self.levels[:-1]) / 2
        return torch.bucketize(values.float() / self._scales(column), boundaries)

    def values(self, codes: Tensor, column: int) -> Tensor:
        """Return the weights of a column that codes (rows,) stand for."""
        return self.levels[codes] * self._scales(column)

    def _scales(self, column: int) -> Tensor:
        return self.scales[:, column // self.block]


def fit_grids(weight_format: WeightFormat, matrix: WeightMatrix, importance: Tensor) -> list[Grid]:
    """Choose the scales and the table of a weight.

    Args:
        weight_format: how the weight is stored.
        matrix: the weight as matrices.
        importance: how much an error of each column matters, (groups, columns): the mean square of its inputs.

    Returns:
        The grid of each matrix. All of them have the same levels.
    """
    if isinstance(weight_format, Palette):
        return _palette_grids(weight_format, matrix, importance)
    return [
        _integer_grid(weight_format, matrix, *group)
        for group in zip(matrix.values, importance, strict=True)
    ]


def _integer_grid(
    weight_format: Integers, matrix: WeightMatrix, values: Tensor, importance: Tensor
) -> Grid:
    columns = values.shape[1]
    pixels = columns // matrix.inputs
    block = columns if weight_format.block is None else weight_format.block * pixels
    largest = weight_format.largest
    blocks = values.unflatten(1, (-1, block))  # (rows, blocks, block)
    importance = importance.unflatten(0, (-1, block))

    peaks = _over_taps(blocks.abs().amax(2), matrix.taps, torch.amax)
    best = torch.full_like(peaks, torch.inf)
    scales = torch.ones_like(peaks)
    for factor in _SCALE_FACTORS:
        candidate = _storable(peaks * factor / largest)
        codes = (blocks / candidate[:, :, None]).round().clamp(-largest, largest)
        errors = (importance * (codes * candidate[:, :, None] - blocks) ** 2).sum(2)
        errors = _over_taps(errors, matrix.taps, torch.sum)
        is_better = errors <= best
        best = torch.where(is_better, errors, best)
        scales = torch.where(is_better, candidate, scales)
    return Grid(torch.arange(-largest, largest + 1.0), scales, block)


def _palette_grids(weight_format: Palette, matrix: WeightMatrix, importance: Tensor) -> list[Grid]:
    groups, rows, columns = matrix.values.shape
    scales = torch.ones(groups * rows, 1)
    if weight_format.scaled:
        peaks = matrix.values.abs().amax(2).reshape(-1, 1)
        scales = _storable(_over_taps(peaks, matrix.taps, torch.amax))
    scales = scales.reshape(groups, rows, 1)
    weights = importance[:, None] * scales**2
    levels = _table(weight_format.bits, (matrix.values / scales).flatten(), weights.flatten())
    return [Grid(levels, of_group, columns) for of_group in scales]


def _table(bits: int, values: Tensor, weights: Tensor) -> Tensor:
    """Return the 2**bits values, ascending, with the least weighted square distance to ``values`` (Lloyd 1982)."""
    values, order = values.double().sort()
    weights = weights.double()[order] + torch.finfo(torch.float64).tiny
    # Sums over any range of sorted values are differences of cumulative sums.
    sums = torch.stack([weights, weights * values]).cumsum(1)
    sums = torch.nn.functional.pad(sums, (1, 0))
    levels = _starting_levels(2**bits, values, weights)
    for _ in range(_PALETTE_ROUNDS):
        middles = (levels[1:] + levels[:-1]) / 2
        ends = torch.searchsorted(values, middles)
        ends = torch.cat([ends.new_zeros(1), ends, ends.new_full((1,), len(values))])
        total, moment = (sums[:, ends[1:]] - sums[:, ends[:-1]]).unbind()
        moved = torch.where(total > 0, moment / total.clamp(min=1e-300), levels)
        if torch.equal(moved, levels):
            break
        levels = moved
    return levels.half().float().sort().values


def _starting_levels(count: int, values: Tensor, weights: Tensor) -> Tensor:
    """Return levels that lie as densely as those of the best table: like the cube root of the density of values."""
    density, edges = torch.histogram(values, _BINS, weight=weights)
    share = density.pow(1 / 3).cumsum(0)
    wanted = (torch.arange(count, dtype=torch.float64) + 0.5) / count * share[-1]
    return edges[torch.searchsorted(share, wanted).clamp(max=_BINS - 1)]


def _storable(scales: Tensor) -> Tensor:
    """Return scales as float16 holds them, none of them 0."""
    return scales.clamp(min=_SMALLEST_SCALE).half().float()


def _over_taps(numbers: Tensor, taps: int, reduce) -> Tensor:
    """Reduce (rows, …) over the rows of each output channel, and give each of these rows the result."""
    reduced = reduce(numbers.unflatten(0, (-1, taps)), dim=1)
    return reduced.repeat_interleave(taps, 0)
