"""Derives prompts from true masks: the clicks of a user who knows the object, and the box around it."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt, label

from reference.photos.masks import mask_box

OBJECT, BACKGROUND = 1, 0  # labels of a click


class Click(NamedTuple):
    """A pixel, and its label: OBJECT or BACKGROUND."""

    x: int
    y: int
    label: int


def interior_point(mask: np.ndarray) -> tuple[int, int]:
    """Return x, y of the pixel of a boolean (H, W) mask that is farthest from the mask's edge.

    The distance is Euclidean, and the photo's border is an edge. Of pixels at the same distance the first
    one wins, row by row. The mask must have at least one pixel.
    """
    left, top, width, height = mask_box(mask)
    framed = np.pad(mask[top : top + height, left : left + width], 1)
    distances = distance_transform_edt(framed)[1:-1, 1:-1]
    row, column = np.unravel_index(distances.argmax(), distances.shape)
    return left + int(column), top + int(row)


def tight_box(mask: np.ndarray) -> np.ndarray:
    """Return the box around a boolean (H, W) mask.

    Returns:
        float64 (4,): x1, y1, x2, y2 in pixels. x2 and y2 are the far edges of the last pixels.
    """
    x, y, width, height = mask_box(mask)
    return np.array([x, y, x + width, y + height], np.float64)


def corrective_click(mask: np.ndarray, truth: np.ndarray) -> Click | None:
    """Return the click with which a user would correct ``mask``: inside the largest wrong region.

    The pixels of a region share edges. Missing pixels and surplus pixels form separate regions. If a
    missing and a surplus region are equally large, the missing one wins.

    Args:
        mask: bool (H, W), the model's mask.
        truth: bool (H, W), the true mask.

    Returns:
        The region's interior point, labeled with the truth at that point; None if nothing is wrong.
    """
    missing = _largest_region(truth & ~mask)
    surplus = _largest_region(mask & ~truth)
    if max(np.count_nonzero(missing), np.count_nonzero(surplus)) == 0:
        return None
    if np.count_nonzero(missing) >= np.count_nonzero(surplus):
        return Click(*interior_point(missing), OBJECT)
    return Click(*interior_point(surplus), BACKGROUND)


def _largest_region(errors: np.ndarray) -> np.ndarray:
    """Return the largest connected region of a boolean (H, W) array; all False if there is none."""
    regions, count = label(errors)
    if count == 0:
        return errors
    sizes = np.bincount(regions.ravel())[1:]
    return regions == 1 + sizes.argmax()
