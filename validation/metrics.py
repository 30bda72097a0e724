"""Agreement of masks and tensors, without holes: NaN and infinity agree with nothing, and shapes must match."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter1d

from reference.common.errors import ArtifactError

BOUNDARY_SHARE = 0.02  # of the photo's diagonal: how deep a mask's boundary reaches into it
MAX_DECIBELS = 300.0  # what identical tensors are given, for want of an infinity in JSON


def mask_iou(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boolean masks of one shape, in 0…1.

    Two empty masks agree: 1, which says nothing of a model that finds no object (``evidence``). An
    empty mask and one that is not, do not: 0.

    Raises:
        ArtifactError: the shapes differ, or a mask is not boolean.
    """
    _require_same_shape(mask, other)
    if mask.dtype != bool or other.dtype != bool:
        raise ArtifactError(
            f"masks of dtype {mask.dtype} and {other.dtype}: expected bool; threshold them first"
        )
    union = np.count_nonzero(mask | other)
    return float(np.count_nonzero(mask & other) / union) if union else 1.0


def is_blank(mask: np.ndarray) -> bool:
    """Whether a boolean (H, W) mask is empty, or the whole photo: it then shows no object."""
    return not mask.any() or bool(mask.all())


def boundary_iou(mask: np.ndarray, other: np.ndarray) -> float:
    """IoU of the inner boundaries of two boolean (H, W) masks, in 0…1; empty masks as ``mask_iou``.

    A boundary holds the pixels of a mask within 2 % of the photo's diagonal (at least a pixel) of
    its outline; the photo's border counts as outline. It sees what the IoU of a large mask hides.
    Source: Cheng et al., "Boundary IoU" (2021).
    """
    _require_same_shape(mask, other)
    return mask_iou(_boundary(mask), _boundary(other))


def area_change(mask: np.ndarray, other: np.ndarray) -> float:
    """By what share of ``other``'s area ``mask`` is larger (or, below zero, smaller).

    Two empty masks: 0. An area where there should be none: infinity.
    """
    area, expected = np.count_nonzero(mask), np.count_nonzero(other)
    if expected == 0:
        return math.inf if area else 0.0
    return area / expected - 1


def largest_difference(values: np.ndarray, other: np.ndarray) -> float:
    """Largest absolute difference of two arrays of one shape, in their own unit; never NaN.

    A NaN or an infinity, on either side, is an infinite difference.

    Raises:
        ArtifactError: the shapes differ, or there is nothing to compare.
    """
    return tensor_difference(values, other).largest


@dataclass(frozen=True)
class TensorDifference:
    """How far a tensor is from the expected one, over all of its elements at once.

    Attributes:
        sqnr: signal to noise in dB: the expected tensor's power over the difference's; at most,
            and for identical tensors, MAX_DECIBELS.
        psnr: likewise, of the square of the expected tensor's range (largest minus smallest).
        cosine: of the angle between the two; 1 for the same direction.
        relative_l2: length of the difference, as a share of the expected tensor's length.
        largest: absolute difference of the element that is furthest off.
        where: that element's index; None if there is no difference.
        not_finite: how many elements are NaN or infinite in either tensor, or in both: two broken
            tensors do not agree. If there is one, nothing is comparable: dB are -MAX_DECIBELS, the
            cosine is 0, and the other differences are infinite.
    """

    sqnr: float
    psnr: float
    cosine: float
    relative_l2: float
    largest: float
    where: tuple[int, ...] | None
    not_finite: int


def tensor_difference(values: np.ndarray, expected: np.ndarray) -> TensorDifference:
    """Compare two arrays of one shape, in float64.

    Raises:
        ArtifactError: the shapes differ, or there is nothing to compare.
    """
    _require_same_shape(values, expected)
    if values.size == 0:
        raise ArtifactError(f"arrays of shape {values.shape}: expected something to compare")
    not_finite = ~(np.isfinite(values) & np.isfinite(expected))
    if count := np.count_nonzero(not_finite):
        where = _index(int(not_finite.argmax()), values.shape)
        return TensorDifference(
            -MAX_DECIBELS, -MAX_DECIBELS, 0.0, math.inf, math.inf, where, int(count)
        )
    # In float64: float32's own difference of two large numbers may be infinite.
    signal = expected.astype(np.float64).ravel()
    actual = values.astype(np.float64).ravel()
    noise = np.abs(actual - signal)
    if values.dtype.kind in "iu" and expected.dtype.kind in "iu":  # beyond 2^53 float64 skips some
        noise = np.maximum(noise, (values != expected).ravel())
    power, noise_power = float(signal @ signal), float(noise @ noise)
    value_range = float(np.ptp(signal))
    lengths = math.sqrt(power) * float(np.linalg.norm(actual))
    furthest = int(noise.argmax())
    return TensorDifference(
        sqnr=_decibels(power, noise_power),
        psnr=_decibels(signal.size * value_range**2, noise_power),
        cosine=float(signal @ actual) / lengths if lengths else float(noise_power == 0),
        relative_l2=math.sqrt(_ratio(noise_power, power)),
        largest=float(noise[furthest]),
        where=_index(furthest, values.shape) if noise_power else None,
        not_finite=0,
    )


def _boundary(mask: np.ndarray) -> np.ndarray:
    depth = max(1, round(BOUNDARY_SHARE * math.hypot(*mask.shape)))
    inside = mask.view(np.uint8)
    for axis in (0, 1):
        inside = minimum_filter1d(inside, 2 * depth + 1, axis, mode="constant", cval=0)
    return mask & ~inside.view(bool)


def _decibels(signal: float, noise: float) -> float:
    ratio = _ratio(signal, noise)
    decibels = (
        10 * math.log10(ratio) if 0 < ratio < math.inf else math.copysign(math.inf, ratio - 1)
    )
    return min(max(decibels, -MAX_DECIBELS), MAX_DECIBELS) if noise else MAX_DECIBELS


def _ratio(value: float, other: float) -> float:
    if other == 0:
        return math.inf if value else 0.0
    return value / other


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def _require_same_shape(values: np.ndarray, other: np.ndarray) -> None:
    if values.shape != other.shape:
        raise ArtifactError(
            f"an array of shape {values.shape} compared with one of {other.shape}: expected the "
            "same shape; the artifact is not of this model"
        )
