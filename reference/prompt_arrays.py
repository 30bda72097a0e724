"""Checks of prompt arrays: labels, points and boxes."""

import numpy as np

from reference.common.errors import PromptError

# The label of a padding point. It fills up an object's points where the objects of a batch have different counts.
PADDING_LABEL = -1
LABELS = (PADDING_LABEL, 0, 1)

_TOLERANCE = 0.01  # pixels by which rounding may move a point off the edge


def to_numbers(name: str, value: object, expected: str) -> np.ndarray:
    """Convert a list, an array or a tensor (on any device, with or without a gradient) to a float64 array.

    Args:
        name: the name of the argument, for error messages.
        value: the numbers.
        expected: what the argument should be, for error messages.

    Raises:
        PromptError: the value is missing, is not numeric, or contains NaN or infinity.
    """
    if value is None:
        raise PromptError(f"{name} is missing: expected {expected}")
    try:
        array = _array(value)
        if array.dtype == object:  # tensors in a list, or a ragged one
            array = np.array([_array(item).astype(np.float64) for item in array])
    except (TypeError, ValueError, OverflowError):
        array = np.array("")
    if array.dtype.kind not in "biuf":
        raise PromptError(f"{name} is not numeric: expected {expected}")
    if not np.isfinite(array).all():
        raise PromptError(f"{name} holds NaN or infinity: expected {expected}, all of them finite")
    return array.astype(np.float64)


def check_labels(labels: np.ndarray) -> None:
    """Check that every label is one of ``LABELS``.

    Raises:
        PromptError: a label has another value.
    """
    unknown = labels[~np.isin(labels, LABELS)]
    if unknown.size:
        raise PromptError(
            f"label {unknown[0]:g}: expected 1 for a point of the object, 0 for the background, or "
            f"{PADDING_LABEL} for no point at all"
        )


def check_points(
    coords: np.ndarray, labels: np.ndarray, size: tuple[int, int], where: str = "the photo"
) -> None:
    """Check that points lie inside a picture.

    Args:
        coords: (…, 2), x and y of each point in pixels.
        labels: (…), the label of each point. Points labeled ``PADDING_LABEL`` are not checked.
        size: (height, width) of the picture. Its far edges count as inside, because coordinates may be fractions.
        where: what the picture is, for error messages.

    Raises:
        PromptError: a point lies outside.
    """
    far_edge = np.array(size[::-1]) + _TOLERANCE
    is_inside = ((coords >= -_TOLERANCE) & (coords <= far_edge)).all(-1)
    outside = coords[~is_inside & (labels != PADDING_LABEL)]
    if len(outside):
        raise PromptError(f"point {shown(outside[0])} is outside {extent(size, where)}")


def check_boxes(boxes: np.ndarray, size: tuple[int, int], where: str = "the photo") -> None:
    """Check that boxes have an area, overlap a picture, and do not reach far beyond it.

    Args:
        boxes: (B, 4), x1, y1, x2, y2 in pixels.
        size: (height, width) of the picture. A box may extend beyond it, as the boxes of detectors do, by at most
            the longer side of the picture.
        where: what the picture is, for error messages.

    Raises:
        PromptError: a box has no area, lies outside, or reaches too far beyond the picture.
    """
    far_edge, reach = np.array(size[::-1]), max(size)
    for box in boxes:
        check_area(box)
        if not ((box[2:] > 0) & (box[:2] < far_edge)).all():
            raise PromptError(f"box {shown(box)} does not overlap {extent(size, where)}")
        if (box[:2] < -reach).any() or (box[2:] > far_edge + reach).any():
            raise PromptError(
                f"box {shown(box)} reaches more than {reach} pixels beyond {extent(size, where)}"
            )


def check_area(box: np.ndarray | list[float]) -> None:
    """Raise PromptError unless the corners of the box are its top-left and its bottom-right corner."""
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        raise PromptError(
            f"box {shown(box)} has no area: expected x1 < x2 and y1 < y2, the top-left corner first"
        )


def extent(size: tuple[int, int], where: str = "the photo") -> str:
    """Describe the valid coordinates of a picture of (height, width), for an error message."""
    height, width = size
    return (
        f"{where} of {width}×{height} pixels (width × height): expected x in 0…{width} and "
        f"y in 0…{height}"
    )


def shown(numbers: np.ndarray | list[float]) -> str:
    """Format numbers for an error message, such as ``(1, 2.5)``."""
    return "(" + ", ".join(f"{number:.10g}" for number in numbers) + ")"


def _array(value: object) -> np.ndarray:
    if hasattr(value, "detach"):  # a tensor: this test does not need to import torch
        value = value.detach().cpu()
        value = value.numpy() if value.is_complex() else value.double().numpy()
    return np.asarray(value)
