"""Agreement of two answers, without holes: NaN agrees with NaN only, and shapes must match."""

import numpy as np

from reference.errors import ArtifactError


def mask_iou(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boolean masks of one shape, in 0…1.

    Two empty masks agree: 1. An empty mask and one that is not, do not: 0.

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


def largest_difference(values: np.ndarray, other: np.ndarray) -> float:
    """Largest absolute difference of two arrays of one shape, in their own unit; never NaN.

    A NaN or an infinity agrees with the same in the same place, and is otherwise an infinite
    difference.

    Raises:
        ArtifactError: the shapes differ, or there is nothing to compare.
    """
    _require_same_shape(values, other)
    if values.size == 0:
        raise ArtifactError(f"arrays of shape {values.shape}: expected something to compare")
    finite = np.isfinite(values) & np.isfinite(other)
    same = (values == other) | (np.isnan(values) & np.isnan(other))
    if not (finite | same).all():
        return float("inf")
    # In float64: float32's own difference of two large numbers may be infinite.
    differences = np.abs(values[finite].astype(np.float64) - other[finite].astype(np.float64))
    return float(differences.max(initial=0.0))


def _require_same_shape(values: np.ndarray, other: np.ndarray) -> None:
    if values.shape != other.shape:
        raise ArtifactError(
            f"an array of shape {values.shape} compared with one of {other.shape}: expected the "
            "same shape; the artefact is not of this model"
        )
