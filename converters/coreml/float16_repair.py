"""Making a module fit float16: choosing which values to scale, and which operations stay in float32.

Scaling is exact: the outputs of the module stay the same.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from converters.coreml.float16_range import FLOAT16_TINIEST, Ranges, square_headroom, value_headroom
from converters.coreml.residual_streams import (
    Stream,
    scale_in_place,
    separate_norms,
    streams_of,
)

# Headroom: how many times larger than on the calibration photos the activations of other photos may be.
WANTED_HEADROOM = 4.0  # scales, which cost nothing, are chosen to leave this headroom
REQUIRED_HEADROOM = 2.0  # operations with less headroom run in float32, which costs time
_MIDDLE = 256.0  # target for the largest value of a stream whose normalizations are in float32
_SMALLEST_EXPONENT = -14  # scales a value of 1 to the smallest normal number of float16


@dataclass(frozen=True)
class Overflows:
    """The values of a module that float16 cannot hold, or holds without the required headroom.

    Attributes:
        results: operators whose results are too large, each with the module that runs it.
        norms: layer normalizations whose squares are too large, or whose epsilon is too small.
        inputs: indices of the module inputs that are too large.
        headroom: how many times larger all other values may become before they leave float16.
    """

    results: frozenset[tuple[nn.Module, str]]
    norms: frozenset[nn.Module]
    inputs: frozenset[int]
    headroom: float


def choose_exponents(module: nn.Module, ranges: Ranges) -> dict[str, int]:
    """Return the powers of two that bring the streams of ``module`` into float16; empty if all of them fit.

    The keys are names of streams, and paths of layer normalizations whose inputs are scaled.
    """
    exponents = {stream.name: _stream_exponent(stream, ranges) for stream in streams_of(module)}
    exponents |= {
        path: _square_exponent(norm, ranges, trigger=REQUIRED_HEADROOM) or 0
        for path, norm in separate_norms(module).items()
    }
    return {path: exponent for path, exponent in exponents.items() if exponent}


def scaled(module: nn.Module, exponents: Mapping[str, int]) -> nn.Module:
    """Return a copy of ``module`` with scaled streams, or ``module`` itself if there are no exponents.

    In float32, the copy computes the same outputs as ``module``.
    """
    if not exponents:
        return module
    module = copy.deepcopy(module)
    scale_in_place(module, exponents)
    return module


def find_overflows(ranges: Ranges) -> Overflows:
    """Return the values that must stay in float32, in a module with these ranges."""
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
    """Return the largest exponent, at most 0, that leaves headroom for the values of a stream and their squares.

    The squares get headroom only if the scaled epsilon is still a float16 number. Otherwise the normalizations stay in
    float32, where the epsilon may be as small as needed.
    """
    largest = ranges.largest(stream.computed_by)
    for_values = _exponent(value_headroom(largest))
    for_squares = [_square_exponent(norm, ranges) for norm in stream.norms]
    exponent = min(for_values, *(exponent or 0 for exponent in for_squares))
    fits = None not in for_squares and all(
        norm.eps * 4.0**exponent >= FLOAT16_TINIEST for norm in stream.norms
    )
    if not fits and math.isfinite(largest):
        # The middle of the range keeps both the stream and the weights that read it from becoming tiny.
        exponent = min(0, -math.floor(math.log2(largest / _MIDDLE)))
    return max(exponent, _SMALLEST_EXPONENT)


def _square_exponent(
    norm: nn.LayerNorm, ranges: Ranges, trigger: float = WANTED_HEADROOM
) -> int | None:
    """Return the exponent that leaves headroom for the squares of a normalization; None if there is none.

    The epsilon is scaled by the square of the scale and must not vanish. Otherwise a token of zeros, which pads
    windows, would be divided by zero. The headroom may therefore be less than the wanted one.
    """
    headroom = square_headroom(ranges.squares.get(norm, 0.0))
    if headroom >= trigger:
        return 0
    smallest = math.ceil(math.log2(FLOAT16_TINIEST / norm.eps) / 2)
    exponent = max(_exponent(headroom), min(smallest, 0))
    return exponent if headroom * 2.0**-exponent >= REQUIRED_HEADROOM else None


def _exponent(headroom: float) -> int:
    """Return the largest exponent, at most 0, whose scale turns ``headroom`` into the wanted headroom."""
    if headroom in (0, math.inf):  # infinite values, which no scale helps, or only zeros
        return 0
    return min(0, math.floor(math.log2(headroom / WANTED_HEADROOM)))
