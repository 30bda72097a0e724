"""From true masks to prompts: where somebody who knows the object would click, and the box around it."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt, label

from reference.photos.masks import mask_box

OBJECT, BACKGROUND = 1, 0  # labels of a click


class Click(NamedTuple):
    """A pixel, and whether it is the object's."""

    x: int
    y: int
    label: int


def interior_point(mask: np.ndarray) -> tuple[int, int]:
    """x, y of the pixel of a boolean (H, W) mask that is farthest from what is not the mask.

    The distance is Euclidean, and what lies beyond the photo's border is not the mask. Of equals the
    first, row by row. The mask has at least one pixel.
    """
    left, top, width, height = mask_box(mask)
    framed = np.pad(mask[top : top + height, left : left + width], 1)
    distances = distance_transform_edt(framed)[1:-1, 1:-1]
    row, column = np.unravel_index(distances.argmax(), distances.shape)
    return left + int(column), top + int(row)


def tight_box(mask: np.ndarray) -> np.ndarray:
    """float64 (4,) x1, y1, x2, y2 around a boolean (H, W) mask, in pixels, far edges of its pixels included."""
    x, y, width, height = mask_box(mask)
    return np.array([x, y, x + width, y + height], np.float64)


def corrective_click(mask: np.ndarray, truth: np.ndarray) -> Click | None:
    """The click that a user would correct ``mask`` with: inside the largest region that is wrong.

    Regions are connected by edges of pixels; those that are missing from the mask and those that do not
    belong to it count apart, and of equals the missing one wins.

    Args:
        mask: bool (H, W), a model's answer.
        truth: bool (H, W), what it should be.

    Returns:
        The region's interior point, labeled with what is true there; None if nothing is wrong.
    """
    missing = _largest_region(truth & ~mask)
    surplus = _largest_region(mask & ~truth)
    if max(np.count_nonzero(missing), np.count_nonzero(surplus)) == 0:
        return None
    if np.count_nonzero(missing) >= np.count_nonzero(surplus):
        return Click(*interior_point(missing), OBJECT)
    return Click(*interior_point(surplus), BACKGROUND)


def _largest_region(errors: np.ndarray) -> np.ndarray:
    """The largest connected region of a boolean (H, W) array; all False if there is none."""
    regions, count = label(errors)
    if count == 0:
        return errors
    sizes = np.bincount(regions.ravel())[1:]
    return regions == 1 + sizes.argmax()
