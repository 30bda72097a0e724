"""Keeping a module within float16, exactly: what to scale, and what has to stay float32."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from converters.coreml.float16_range import FLOAT16_TINIEST, Ranges, square_headroom, value_headroom
from converters.coreml.residual_streams import (
    LayerNorm,
    Stream,
    scale_in_place,
    separate_norms,
    streams_of,
)

# Activations of other photos may be larger than those of the calibration photos, by these factors.
WANTED_HEADROOM = 4.0  # a scale, which costs nothing, is chosen to leave this much
REQUIRED_HEADROOM = 2.0  # what would leave less is computed in float32, which costs time
_MIDDLE = 256.0  # the largest value of a stream whose normalizations are float32
_SMALLEST_EXPONENT = -14  # a value of 1 is scaled to no less than float16's smallest normal number


@dataclass(frozen=True)
class Overflows:
    """What of a module float16 cannot hold, or holds without the required headroom.

    Attributes:
        results: operators whose results are too large, each with the module that runs it.
        norms: layer normalizations whose squares are too large, or whose epsilon is too small.
        inputs: numbers of the module's inputs that are too large.
        headroom: how many times larger all other values may be before they leave float16.
    """

    results: frozenset[tuple[nn.Module, str]]
    norms: frozenset[nn.Module]
    inputs: frozenset[int]
    headroom: float


def choose_exponents(module: nn.Module, ranges: Ranges) -> dict[str, int]:
    """The powers of two that bring the streams of ``module`` within float16; empty if all of them are.

    Each has its stream's name, or the path of the layer normalization whose input it scales.
    """
    exponents = {stream.name: _stream_exponent(stream, ranges) for stream in streams_of(module)}
    exponents |= {
        path: _square_exponent(norm, ranges, trigger=REQUIRED_HEADROOM) or 0
        for path, norm in separate_norms(module).items()
    }
    return {path: exponent for path, exponent in exponents.items() if exponent}


def scaled(module: nn.Module, exponents: Mapping[str, int]) -> nn.Module:
    """A copy of ``module`` with its streams scaled, or ``module`` itself if there is nothing to scale.

    In float32 it computes what ``module`` does.
    """
    if not exponents:
        return module
    module = copy.deepcopy(module)
    scale_in_place(module, exponents)
    return module


def find_overflows(ranges: Ranges) -> Overflows:
    """What has to be computed in float32, of a module with these ranges."""
    results = {key: value_headroom(value) for key, value in ranges.results.items()}
    norms = {norm: square_headroom(square) for norm, square in ranges.squares.items()}
    norms |= {norm: 0.0 for norm in norms if norm.eps < FLOAT16_TINIEST}
    inputs = dict(enumerate(map(value_headroom, ranges.inputs)))
    headrooms = [*results.values(), *norms.values(), *inputs.values()]
    return Overflows(
        results=_too_large(results),
        norms=_too_large(norms),
        inputs=_too_large(inputs),
        headroom=min((room for room in headrooms if room >= REQUIRED_HEADROOM), default=math.inf),
    )


def _too_large(headrooms: Mapping) -> frozenset:
    return frozenset(key for key, headroom in headrooms.items() if headroom < REQUIRED_HEADROOM)


def _stream_exponent(stream: Stream, ranges: Ranges) -> int:
    """The largest power of two, at most 0, that leaves the stream's values and their squares room.

    Squares are left room only where the epsilon stays a number of float16; otherwise the normalizations have
    to be float32, whose epsilon may be as small as it takes.
    """
    largest = ranges.largest(stream.computed_by)
    for_values = _exponent(value_headroom(largest))
    for_squares = [_square_exponent(norm, ranges) for norm in stream.norms]
    exponent = min(for_values, *(exponent or 0 for exponent in for_squares))
    fits = None not in for_squares and all(
        norm.eps * 4.0**exponent >= FLOAT16_TINIEST for norm in stream.norms
    )
    if not fits and math.isfinite(largest):
        # Into the middle of the range, so that neither the stream nor the weights that read it get tiny.
        exponent = min(0, -math.floor(math.log2(largest / _MIDDLE)))
    return max(exponent, _SMALLEST_EXPONENT)


def _square_exponent(
    norm: LayerNorm, ranges: Ranges, trigger: float = WANTED_HEADROOM
) -> int | None:
    """The power of two that leaves a normalization's squares room; None if there is none.

    The epsilon is scaled by its square, and must not vanish: a token of zeros, with which windows are padded,
    would be divided by zero. So there may be less than the wanted headroom.
    """
    headroom = square_headroom(ranges.squares.get(norm, 0.0))
    if headroom >= trigger:
        return 0
    smallest = math.ceil(math.log2(FLOAT16_TINIEST / norm.eps) / 2)
    exponent = max(_exponent(headroom), min(smallest, 0))
    return exponent if headroom * 2.0**-exponent >= REQUIRED_HEADROOM else None


def _exponent(headroom: float) -> int:
    """The largest power of two, at most 0, that turns ``headroom`` into the wanted one."""
    if headroom in (0, math.inf):  # of infinity, which no scale helps, or of zero
        return 0
    return min(0, math.floor(math.log2(headroom / WANTED_HEADROOM)))
