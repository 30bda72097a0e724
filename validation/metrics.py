"""Metrics of how well masks and tensors agree. NaN and infinity agree with nothing, and shapes must match."""

import math
from dataclasses import dataclass

import numpy as np

from reference.common.errors import ArtifactError

BOUNDARY_SHARE = 0.02  # depth of a mask's boundary, as a share of the photo's diagonal
MAX_DECIBELS = 300.0  # value for identical tensors, because JSON has no infinity


def mask_iou(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boolean masks of the same shape, in 0…1.

    Two empty masks have IoU 1; ``validation.comparison.proof`` says when that proves nothing. An empty
    mask and a non-empty one have IoU 0.

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
    """Whether a boolean (H, W) mask shows no object, because it is empty or the whole photo."""
    return not mask.any() or bool(mask.all())


def boundary_iou(mask: np.ndarray, other: np.ndarray) -> float:
    """IoU of the inner boundaries of two boolean (H, W) masks, in 0…1; for empty masks see ``mask_iou``.

    The boundary of a mask is the set of its pixels that lie within 2 % of the photo's diagonal (at
    least one pixel) of its outline. The border of the photo counts as outline. This metric shows
    errors at the outline of a large mask, which hardly change its IoU.
    Source: Cheng et al., "Boundary IoU" (2021).

    Raises:
        ArtifactError: the shapes differ.
    """
    _require_same_shape(mask, other)
    return mask_iou(_boundary(mask), _boundary(other))


def area_change(mask: np.ndarray, other: np.ndarray) -> float:
    """Area of ``mask`` relative to the area of ``other``, minus 1; below zero if it is smaller.

    Two empty masks give 0. If only ``other`` is empty, the result is infinite.
    """
    area, expected = np.count_nonzero(mask), np.count_nonzero(other)
    if expected == 0:
        return math.inf if area else 0.0
    return area / expected - 1


def largest_difference(values: np.ndarray, other: np.ndarray) -> float:
    """Largest absolute difference of two arrays of the same shape, in their own unit; never NaN.

    A NaN or an infinity in either array is an infinite difference.

    Raises:
        ArtifactError: the shapes differ, or the arrays are empty.
    """
    return tensor_difference(values, other).largest


@dataclass(frozen=True)
class TensorDifference:
    """The difference of a tensor from the expected one, over all of its elements.

    If an element of either tensor is NaN or infinite, nothing is comparable: ``sqnr`` and ``psnr`` are
    -MAX_DECIBELS, ``cosine`` is 0, and the other differences are infinite.

    Attributes:
        sqnr: signal-to-quantization-noise ratio in dB: power of the expected tensor over power of the
            difference. It is at most MAX_DECIBELS, which identical tensors have.
        psnr: peak signal-to-noise ratio in dB: like ``sqnr``, with the square of the expected tensor's
            range (largest minus smallest) in place of its power.
        cosine: cosine of the angle between the two tensors; 1 for the same direction.
        relative_l2: L2 norm of the difference over L2 norm of the expected tensor.
        largest: largest absolute difference of an element.
        where: index of that element; None if there is no difference.
        not_finite: number of elements that are NaN or infinite in either tensor. An element that is
            NaN in both counts too, because two broken tensors do not agree.
    """

    sqnr: float
    psnr: float
    cosine: float
    relative_l2: float
    largest: float
    where: tuple[int, ...] | None
    not_finite: int


def tensor_difference(values: np.ndarray, expected: np.ndarray) -> TensorDifference:
    """Compare two arrays of the same shape, in float64.

    Raises:
        ArtifactError: the shapes differ, or the arrays are empty.
    """
    _require_same_shape(values, expected)
    if values.size == 0:
        raise ArtifactError(
            f"arrays of shape {values.shape}: expected at least one element to compare"
        )
    not_finite = ~(np.isfinite(values) & np.isfinite(expected))
    if count := np.count_nonzero(not_finite):
        where = _index(int(not_finite.argmax()), values.shape)
        return TensorDifference(
            -MAX_DECIBELS, -MAX_DECIBELS, 0.0, math.inf, math.inf, where, int(count)
        )
    # In float64, because the difference of two large float32 numbers may be infinite in float32.
    signal = expected.astype(np.float64).ravel()
    actual = values.astype(np.float64).ravel()
    noise = np.abs(actual - signal)
    # Beyond 2^53 float64 cannot tell neighboring integers apart.
    if values.dtype.kind in "iu" and expected.dtype.kind in "iu":
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
    from scipy.ndimage import minimum_filter1d  # late, because readers of baselines do not need it

    depth = max(1, round(BOUNDARY_SHARE * math.hypot(*mask.shape)))
    boundary = np.zeros_like(mask)
    # Outside this box nothing belongs to the mask, as beyond the border of the photo.
    box = _box_around(mask)
    inside = mask[box].view(np.uint8)
    for axis in (0, 1):
        inside = minimum_filter1d(inside, 2 * depth + 1, axis, mode="constant", cval=0)
    boundary[box] = mask[box] & ~inside.view(bool)
    return boundary


def _box_around(mask: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns from the first to the last pixel of a mask; of an empty mask, none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


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
