"""Checking the arguments of ``Predictor`` and bringing them to one shape."""

import numpy as np
from torch import Tensor

from reference.common.errors import PromptError
from reference.prompt_arrays import check_labels, to_numbers

_LABELS = "a number for each point, 1 if it is on the object and 0 if it is on the background"


def points_of_one_object(coords: object, labels: object) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of one object, float64 (K, 2), and their labels, int64 (K,). A batch axis of 1 is dropped."""
    coords = to_numbers("point_coords", coords, "N×2 numbers")
    labels = to_numbers("point_labels", labels, _LABELS)
    if coords.ndim == 3 and labels.ndim == 2 and len(coords) == len(labels) == 1:
        coords, labels = coords[0], labels[0]
    if coords.shape == (0,):  # an empty list
        coords = coords.reshape(0, 2)
    return _labeled(coords, labels, 2)


def points_of_objects(coords: object, labels: object) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of B objects, float64 (B, K, 2), and their labels, int64 (B, K)."""
    return _labeled(
        to_numbers("point_coords", coords, "B×N×2 numbers"),
        to_numbers("point_labels", labels, _LABELS),
        3,
    )


def _labeled(coords: np.ndarray, labels: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points and their labels, after checking that each point has one valid label."""
    expected = "×".join(["B", "N", "2"][-axes:])
    if coords.ndim != axes or coords.shape[-1] != 2:
        raise PromptError(f"point_coords has shape {coords.shape}: expected {expected} numbers")
    if labels.shape != coords.shape[:-1]:
        raise PromptError(
            f"{_count(coords.shape[:-1])} point_coords with {_count(labels.shape)} point_labels: "
            "expected one label per point"
        )
    check_labels(labels)
    return coords, labels.astype(np.int64)


def _count(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "no"


def box_of_one_object(box: object) -> np.ndarray:
    """Return one box, in any nesting, as float64 (1, 4)."""
    corners = to_numbers("box", box, "4 numbers")
    if corners.size > 4 and corners.shape[-1] == 4:
        raise PromptError(
            f"box has shape {corners.shape}: expected 4 numbers, the box of one object; for several "
            "boxes, pass transform.apply_boxes_torch(boxes, original_size) to predict_torch"
        )
    if corners.size != 4:
        raise PromptError(f"box has shape {corners.shape}: expected 4 numbers, x1, y1, x2, y2")
    return corners.reshape(1, 4)


def boxes_of_objects(boxes: object) -> np.ndarray:
    """Return the boxes of B objects, given as (B, 4), (B, 1, 4) or (B, 2, 2), as float64 (B, 4)."""
    corners = to_numbers("boxes", boxes, "B×4 numbers")
    if corners.ndim not in (2, 3) or corners.size != 4 * len(corners) or len(corners) == 0:
        raise PromptError(f"boxes has shape {corners.shape}: expected B×4 numbers, x1, y1, x2, y2")
    return corners.reshape(-1, 4)


def one_batch(
    points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, mask_input: Tensor | None
) -> tuple[tuple[Tensor, Tensor] | None, Tensor | None, Tensor | None]:
    """Return the prompts with batch axes of equal length. A single mask is repeated for all objects."""
    lengths = {
        name: len(part)
        for name, part in (("point_coords", points and points[0]), ("boxes", boxes))
        if part is not None
    }
    if mask_input is not None and lengths and len(mask_input) == 1:
        mask_input = mask_input.expand(max(lengths.values()), -1, -1, -1)
    if mask_input is not None:
        lengths["mask_input"] = len(mask_input)
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        raise PromptError(f"{counts}: expected prompts for the same number of objects in each")
    return points, boxes, mask_input


def shaped(name: str, value: object, shape: tuple[int, ...]) -> np.ndarray:
    """Return ``value`` as an array of ``shape``, where -1 stands for any length."""
    expected = "×".join("B" if length == -1 else str(length) for length in shape)
    array = to_numbers(name, value, f"{expected} numbers")
    if array.ndim != len(shape) or any(
        length not in (-1, actual) for length, actual in zip(shape, array.shape, strict=True)
    ):
        raise PromptError(f"{name} has shape {array.shape}: expected {expected} numbers")
    return array
