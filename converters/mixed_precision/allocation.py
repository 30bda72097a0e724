"""Choosing a format for each layer, so that all of them together fit a size and cost the masks least."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from converters.quantization.weight_formats import WeightFormat


class Layer(NamedTuple):
    """The place of a layer: its component, and its path there."""

    component: str
    path: str


@dataclass(frozen=True)
class Candidate:
    """A way to store the weight of a layer.

    Attributes:
        format: how the weight is stored, or None for floats.
        size: bytes.
        loss: how much it costs the masks; see ``sensitivity``. The losses of layers add up.
    """

    format: WeightFormat | None
    size: int
    loss: float


@dataclass(frozen=True)
class Allocation:
    """A format for each layer.

    Attributes:
        formats: component → path of each layer with few bits → how its weight is stored.
        size: bytes of the weights of all layers.
        loss: the sum of their losses.
    """

    formats: Mapping[str, Mapping[str, WeightFormat]]
    size: int
    loss: float


def allocations(candidates: Mapping[Layer, Sequence[Candidate]]) -> list[Allocation]:
    """Return the best allocations from the smallest to the largest.

    Each one stores one layer better than the one before: the layer that saves the most loss for a byte. So each is the
    best of its size, apart from those between two of them (greedy solution of the multiple-choice knapsack problem:
    Sinha and Zoltners 1979).
    """
    ladders = {layer: _lower_hull(options) for layer, options in candidates.items()}
    steps = sorted(
        (
            (_gain(*pair), layer, pair[1])
            for layer, ladder in ladders.items()
            for pair in pairwise(ladder)
        ),
        key=lambda step: (-step[0], step[1]),
    )
    chosen = {layer: ladder[0] for layer, ladder in ladders.items()}
    found = [_allocation(chosen)]
    for _, layer, candidate in steps:
        chosen[layer] = candidate
        found.append(_allocation(chosen))
    return found


def _lower_hull(options: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates on the lower convex hull of loss over size, the smallest first.

    No mixture of two others would be as small and cost less than one of them.
    """
    hull: list[Candidate] = []
    for option in sorted(options, key=lambda option: (option.size, option.loss)):
        if hull and option.loss >= hull[-1].loss:
            continue
        while len(hull) > 1 and _gain(hull[-2], hull[-1]) <= _gain(hull[-1], option):
            hull.pop()
        hull.append(option)
    return hull


def _gain(worse: Candidate, better: Candidate) -> float:
    """Return the loss that each further byte saves."""
    return (worse.loss - better.loss) / (better.size - worse.size)


def _allocation(chosen: Mapping[Layer, Candidate]) -> Allocation:
    formats: dict[str, dict[str, WeightFormat]] = {layer.component: {} for layer in chosen}
    for layer, candidate in chosen.items():
        if candidate.format is not None:
            formats[layer.component][layer.path] = candidate.format
    return Allocation(
        formats,
        sum(candidate.size for candidate in chosen.values()),
        sum(candidate.loss for candidate in chosen.values()),
    )
