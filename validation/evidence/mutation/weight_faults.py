"""Subtle mistakes in quantized weights, each in several sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from converters.quantization.weight_formats import Integers, Palette, WeightFormat
from converters.size_goal import AUTO
from validation.evidence.mutation.stored_weight import StoredWeight

# (format, scheme) of the artifacts
Pair = tuple[str, str]
WITH_SCALES: tuple[Pair, ...] = (
    ("torchscript", "int8"),
    ("coreml", "int8"),
    ("coreml", "w8a8"),
    ("coreml", "int4"),
    ("coreml", AUTO),
)
WITH_PALETTES: tuple[Pair, ...] = (
    ("coreml", "lut8"),
    ("coreml", "lut6"),
    ("coreml", "lut4"),
    ("coreml", AUTO),
)
QUANTIZED = (*WITH_SCALES[:-1], *WITH_PALETTES)
ALL = (
    ("torchscript", "none"),
    ("torchscript", "fp16"),
    ("coreml", "none"),
    ("coreml", "fp16"),
    *QUANTIZED,
)

LAST_CONVOLUTION = "encoder.neck.2"  # 64 channels: what it gives, the mask decoder reads
FOLDED_LAYER = "encoder.stages.3.downsample.conv3"
PERCENT = (1, 2, 5, 10, 20, 50, 100)
# A bias of float32 artifacts shows at a thousandth of the size that others need.
FINE_PERCENT = (0.001, 0.01, 0.1, *PERCENT)
STEPS = (1, 2, 4, 8, 16, 32, 64)
LAYERS = (1, 2, 5, 10)
CHANNEL = 3


@dataclass(frozen=True, eq=False)
class Fault:
    """A kind of mistake, which can be made in several sizes.

    Attributes:
        name: a unique name.
        description: an explanation in one line.
        unit: what its sizes count, with a place for the number.
        sizes: the sizes, ascending.
        subtle: the size of the subtle mutant.
        artifacts: the (format, scheme) of the artifacts that it is made in.
    """

    name: str
    description: str
    unit: str
    sizes: tuple[float, ...]
    subtle: float
    artifacts: tuple[Pair, ...]

    def size_text(self, size: float) -> str:
        """Return a size in words."""
        return self.unit.format(size)


@dataclass(frozen=True, eq=False)
class WeightFault(Fault):
    """Changes stored weights of the image encoder.

    Attributes:
        change: (stored weight, float weights of the layer, size) → changed weight.
        layers: size → how many layers are changed, from the last one on.
        fits: whether a weight that is stored in a format can have the fault.
    """

    change: Callable[[StoredWeight, np.ndarray, int], StoredWeight]
    fits: Callable[[WeightFormat], bool] = lambda weight_format: True
    layers: Callable[[int], int] = lambda size: 1

    def places(self, formats: Mapping[str, WeightFormat], size: int) -> list[str]:
        """Return the layers that a fault of this size is made in."""
        return [path for path in reversed(formats) if self.fits(formats[path])][: self.layers(size)]


@dataclass(frozen=True, eq=False)
class BiasFault(Fault):
    """Takes a share of the bias that batch norm folds into away from one layer of the image encoder."""


@dataclass(frozen=True, eq=False)
class LeftOutFault(Fault):
    """Leaves weights of the image encoder in float16 that the scheme quantizes."""


@dataclass(frozen=True, eq=False)
class CalibrationFault(Fault):
    """Rounds all weights, and chooses the ranges of activations, for broken photos.

    Attributes:
        photos: size → what breaks a photo, uint8 (H, W, 3).
        names: size → what that is, in words.
    """

    photos: Mapping[int, Callable[[np.ndarray], np.ndarray]]
    names: Mapping[int, str]

    def size_text(self, size: float) -> str:
        return self.names[size]


def scale_off(weight: StoredWeight, _: np.ndarray, percent: int) -> StoredWeight:
    scales = weight.scales.copy()
    scales[CHANNEL] *= 1 + percent / 100
    return replace(weight, scales=scales)


def value_off(weight: StoredWeight, _: np.ndarray, percent: int) -> StoredWeight:
    levels = weight.levels.copy()
    levels[len(levels) * 3 // 4] *= 1 + percent / 100
    return replace(weight, levels=levels)


def zero_point_off(weight: StoredWeight, _: np.ndarray, steps: int) -> StoredWeight:
    return replace(weight, indexes=np.minimum(weight.indexes + steps, len(weight.levels) - 1))


def palette_permuted(weight: StoredWeight, _: np.ndarray, percent: int) -> StoredWeight:
    """Move each of the middle values one place on, and the last of them to the first place."""
    count = len(weight.levels)
    moved = max(2, round(count * percent / 100))
    first = (count - moved) // 2
    levels = weight.levels.copy()
    levels[first : first + moved] = np.roll(levels[first : first + moved], 1)
    return replace(weight, levels=levels)


def toward_zero(weight: StoredWeight, floats: np.ndarray, _: int) -> StoredWeight:
    """Take the neighboring level that is nearer to zero, and correct no other weight for the error."""
    steps = weight.steps_of(floats)
    last = len(weight.levels) - 1
    above = np.searchsorted(weight.levels, steps).clip(0, last)
    below = (above - 1).clip(0)
    is_exact = weight.levels[above] == steps
    nearer = np.abs(weight.levels[below]) < np.abs(weight.levels[above])
    outside = steps > weight.levels[last]
    return replace(weight, indexes=np.where(outside | is_exact | ~nearer, above, below))


def swap_red_and_blue(photo: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(photo[..., ::-1])


def scale_to_one(photo: np.ndarray) -> np.ndarray:
    return photo // 255  # all photos become black


WEIGHT_FAULTS: tuple[Fault, ...] = (
    WeightFault(
        "scale of one channel off",
        "one of 64 channels of the last convolution has a wrong scale",
        "{} %",
        PERCENT,
        2,
        WITH_SCALES,
        scale_off,
        fits=lambda stored: isinstance(stored, Integers) or stored.scaled,
    ),
    WeightFault(
        "value of a palette off",
        "one value of the palette of the last convolution is wrong",
        "{} %",
        PERCENT,
        2,
        WITH_PALETTES,
        value_off,
        fits=lambda stored: isinstance(stored, Palette),
    ),
    WeightFault(
        "palette permuted",
        "the middle values of the palette of the last convolution are moved by one place",
        "{} % of it",
        PERCENT,
        10,
        WITH_PALETTES,
        palette_permuted,
        fits=lambda stored: isinstance(stored, Palette),
    ),
    WeightFault(
        "zero point off",
        "all codes of the last convolution are off",
        "steps: {}",
        STEPS,
        1,
        QUANTIZED,
        zero_point_off,
    ),
    WeightFault(
        "rounded toward zero",
        "weights are rounded toward zero, and none makes up for the error of another",
        "layers: {}",
        LAYERS,
        1,
        QUANTIZED,
        toward_zero,
        layers=lambda size: size,
    ),
    CalibrationFault(
        "calibrated on wrong photos",
        "weights are rounded for photos that the app never shows the model",
        "{}",
        (1, 2),
        1,
        QUANTIZED,
        photos={1: swap_red_and_blue, 2: scale_to_one},
        names={1: "BGR", 2: "pixels in 0…1"},
    ),
    LeftOutFault(
        "layers left unquantized",
        "weights that the scheme quantizes stay float16",
        "layers: {}",
        (1, 10),
        1,
        QUANTIZED,
    ),
    BiasFault(
        "bias stale after folding",
        "a layer lacks a share of the bias that batch norm folds into",
        "{} % missing",
        FINE_PERCENT,
        5,
        ALL,
    ),
)
