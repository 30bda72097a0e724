"""Prompts as arrays, the way ``SamPredictor``'s users write them, checked before a model sees them."""

import numpy as np

from reference.common.errors import PromptError

PADDING_LABEL = (
    -1
)  # of a point that stands for none, where the objects of a batch have several counts
LABELS = (PADDING_LABEL, 0, 1)

_TOLERANCE = 0.01  # pixels by which rounding may move a point off the edge


def to_numbers(name: str, value: object, expected: str) -> np.ndarray:
    """A list, an array, or a tensor on any device, with or without a gradient, as float64.

    Raises:
        PromptError: ``name`` is not numeric, or holds a NaN or an infinity; ``expected`` says what it
            should be.
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
    """Refuse labels that mean nothing to the model.

    Raises:
        PromptError: one is none of LABELS.
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
    """Refuse points outside.

    Args:
        coords: (…, 2) x, y in pixels.
        labels: (…), whose PADDING_LABEL marks points that stand for none.
        size: (height, width) of what they must lie in. Its far edges are inside: coordinates may be
            sub-pixel.
        where: what that is.

    Raises:
        PromptError: a point lies outside.
    """
    far_edge = np.array(size[::-1]) + _TOLERANCE
    is_inside = ((coords >= -_TOLERANCE) & (coords <= far_edge)).all(-1)
    outside = coords[~is_inside & (labels != PADDING_LABEL)]
    if len(outside):
        raise PromptError(f"point {shown(outside[0])} is outside {extent(size, where)}")


def check_boxes(boxes: np.ndarray, size: tuple[int, int], where: str = "the photo") -> None:
    """Refuse boxes without an area, beside the picture, or reaching far beyond it.

    Args:
        boxes: (B, 4) x1, y1, x2, y2 in pixels.
        size: (height, width) of what they must overlap. As detectors' boxes do, they may stick out: by
            the longer of these at most.
        where: what that is.

    Raises:
        PromptError: a box is none, or lies outside.
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
    """Raise PromptError for a box whose corners are not its top-left and its bottom-right one."""
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        raise PromptError(
            f"box {shown(box)} has no area: expected x1 < x2 and y1 < y2, the top-left corner first"
        )


def extent(size: tuple[int, int], where: str = "the photo") -> str:
    """What a picture of (height, width) holds, for an error message."""
    height, width = size
    return (
        f"{where} of {width}×{height} pixels (width × height): expected x in 0…{width} and "
        f"y in 0…{height}"
    )


def shown(numbers: np.ndarray | list[float]) -> str:
    """Numbers for an error message, such as ``(1, 2.5)``."""
    return "(" + ", ".join(f"{number:.10g}" for number in numbers) + ")"


def _array(value: object) -> np.ndarray:
    if hasattr(value, "detach"):  # a tensor; asking it spares importing torch
        value = value.detach().cpu()
        value = value.numpy() if value.is_complex() else value.double().numpy()
    return np.asarray(value)
