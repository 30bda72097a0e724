"""``Prompt``, the normal form of a prompt, and its conversion from the forms that users write."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from reference.common.errors import PromptError
from reference.common.plain_text import quote
from reference.prompt_arrays import check_area, check_points, extent, shown

BOX_LABELS = (2, 3)  # Segment Anything's labels for a box's top-left and bottom-right corner


def _no_points() -> np.ndarray:
    return np.empty((0, 2))


def _no_labels() -> np.ndarray:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)  # eq: a comparison of arrays has no single truth value
class Prompt:
    """The points and the box that describe one object.

    Coordinates are pixels of the photo, with (0, 0) at its top-left corner. ``normalize_prompts`` checks what
    users write and returns prompts.

    Attributes:
        point_coords: float64 (k, 2), the x and y of each point.
        point_labels: int64 (k,), 1 for a point on the object and 0 for one on the background.
        box: float64 (4,), x1, y1, x2, y2, or None.
    """

    point_coords: np.ndarray = field(default_factory=_no_points)
    point_labels: np.ndarray = field(default_factory=_no_labels)
    box: np.ndarray | None = None

    @property
    def slots(self) -> int:
        """The number of slots that the prompt takes in a converted decoder: one per point, two for a box."""
        return len(self.point_coords) + (0 if self.box is None else len(BOX_LABELS))

    def decoder_points(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the prompt as the mask decoder takes it: the points, then the corners of the box.

        Returns:
            Coordinates, float64 (slots, 2), x and y in pixels of the photo; and labels, int64 (slots,). A label is
            1 for a point on the object, 0 for the background, 2 for a box's top-left corner and 3 for its
            bottom-right corner.
        """
        if self.box is None:
            return self.point_coords.copy(), self.point_labels.copy()
        coords = np.concatenate([self.point_coords, self.box.reshape(2, 2)])  # (k + 2, 2)
        return coords, np.concatenate([self.point_labels, BOX_LABELS])


def normalize_prompts(
    points: object = None,
    labels: object = None,
    bboxes: object = None,
    image_size: tuple[int, int] | None = None,
) -> list[Prompt]:
    """Convert points, labels and boxes, in any accepted nesting, to one ``Prompt`` per object.

    Lists, tuples, numpy arrays and torch tensors are accepted.

    Args:
        points: ``[x, y]`` is one point. ``[[x, y], …]`` is one object per point. ``[[[x, y], …], …]`` is one object
            per inner list, and the inner lists may differ in length.
        labels: 1 (object) or 0 (background), nested like the points. A single number holds for every point. The
            default is 1 for every point.
        bboxes: ``[x1, y1, x2, y2]`` or a list of boxes, one object per box. If there are points too, the first box
            belongs to the object of the first points, and so on.
        image_size: (height, width) of the photo. If it is given, points must lie inside the photo or on its edge,
            and boxes are clipped to the photo.

    Returns:
        One prompt per object.

    Raises:
        PromptError: no prompt is given; or a value is not a number, is nested differently, lies outside the photo,
            or the counts of points, labels and boxes do not match.
    """
    points, labels, bboxes = (_plain(values) for values in (points, labels, bboxes))
    point_groups = [] if _is_empty(points) else _point_groups(points)
    boxes = [] if _is_empty(bboxes) else _boxes(bboxes)
    _check_counts(len(point_groups), len(boxes))
    label_groups = _label_groups(labels, points, point_groups)
    if image_size is not None:
        for group in point_groups:
            check_points(np.array(group), np.ones(len(group)), image_size)
        boxes = [_clip_box(box, image_size) for box in boxes]

    objects = max(len(point_groups), len(boxes))
    point_groups, label_groups = point_groups or [[]] * objects, label_groups or [[]] * objects
    box_of_each: Sequence[list[float] | None] = boxes or [None] * objects
    return [
        Prompt(
            point_coords=np.array(group, np.float64).reshape(-1, 2),
            point_labels=np.array(group_labels, np.int64),
            box=None if box is None else np.array(box, np.float64),
        )
        for group, group_labels, box in zip(point_groups, label_groups, box_of_each, strict=True)
    ]


def _plain(values: object) -> object:
    """Convert arrays, tensors and tuples, at any depth, to lists and numbers."""
    if hasattr(values, "detach"):  # a tensor: this test does not need to import torch
        values = values.detach().cpu()
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    return values


def _is_empty(values: object) -> bool:
    return values is None or values == []


def _depth(values: object) -> int:
    """Return the nesting depth of a list's first value, and 0 for a value that is not a list."""
    depth = 0
    while isinstance(values, list):
        values, depth = (values[0] if values else None), depth + 1
    return depth


def _check_counts(point_groups: int, boxes: int) -> None:
    if not point_groups and not boxes:
        raise PromptError(
            "an empty prompt: expected points or boxes, for example points=[x, y] or "
            "bboxes=[x1, y1, x2, y2]"
        )
    if point_groups and boxes and point_groups != boxes:
        raise PromptError(
            f"{boxes} bboxes with points for {point_groups} objects: expected the same number of each; "
            "several points of one object are written points=[[[x, y], [x, y]]]"
        )


def _point_groups(points: Any) -> list[list[list[float]]]:
    """Convert points in any of the three nestings to one list of points per object."""
    depth = _depth(points)
    if depth == 1:
        return [[_point(points)]]
    if depth == 2:
        return [[_point(point)] for point in points]
    if depth == 3:
        return [_point_group(group) for group in points]
    raise PromptError(
        f"points={quote(points)}: expected [x, y], a list of points (one object each), or a list "
        "of lists of points (several points of one object)"
    )


def _point_group(group: object) -> list[list[float]]:
    if not isinstance(group, list) or not group:
        raise PromptError(f"{quote(group)} as an object's points: expected [[x, y], …]")
    return [_point(point) for point in group]


def _point(values: object) -> list[float]:
    return _numbers(values, 2, "a point", "[x, y]")


def _boxes(bboxes: Any) -> list[list[float]]:
    """Convert one box or a list of boxes to a list of boxes, each with an area."""
    nested = bboxes if _depth(bboxes) > 1 else [bboxes]
    boxes = [_numbers(box, 4, "a box", "[x1, y1, x2, y2]") for box in nested]
    for box in boxes:
        check_area(box)
    return boxes


def _numbers(values: object, count: int, kind: str, form: str) -> list[float]:
    """``values`` as ``count`` finite floats, or a PromptError."""
    if not isinstance(values, list) or len(values) != count:
        raise PromptError(f"{quote(values)} is not {kind}: expected {count} numbers, {form}")
    numbers = [_number(value) for value in values]
    if not all(math.isfinite(number) for number in numbers):
        raise PromptError(f"{quote(values)} is not {kind}: expected {count} finite numbers, {form}")
    return numbers


def _number(value: object) -> float:
    """Convert a real number to a float. Anything else becomes NaN, which the caller refuses."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf


def _label_groups(labels: object, points: object, groups: list[list]) -> list[list[int]]:
    """Return one checked label for each point of each group."""
    if labels is None or (labels == [] and not groups):
        return [[1] * len(group) for group in groups]
    if not groups:
        raise PromptError(
            f"labels={quote(labels)} without points: expected points for the labels; a box has no label"
        )
    if not isinstance(labels, list):
        return [[_label(labels)] * len(group) for group in groups]
    nested = labels if _depth(points) == 3 else [[label] for label in labels]
    if not _same_nesting(nested, groups):
        raise PromptError(
            f"labels={quote(labels)} do not match points={quote(points)}: expected one label per "
            "point, nested like the points: points=[x, y], labels=[1] or points=[[[x, y], [x, y]]], "
            "labels=[[1, 0]]"
        )
    return [[_label(label) for label in group] for group in nested]


def _same_nesting(nested: list, groups: list[list]) -> bool:
    """Return whether ``nested`` holds one value, not a list, for each point of each group."""
    return len(nested) == len(groups) and all(
        isinstance(values, list)
        and len(values) == len(group)
        and not any(isinstance(value, list) for value in values)
        for values, group in zip(nested, groups, strict=True)
    )


def _label(label: Any) -> int:
    if not isinstance(label, Real) or label not in (0, 1):
        raise PromptError(
            f"label {quote(label)}: expected 1 for a point of the object, or 0 for the background"
        )
    return 1 if label == 1 else 0


def _clip_box(box: list[float], image_size: tuple[int, int]) -> list[float]:
    """Return the part of a box inside the photo, or raise PromptError if there is none."""
    height, width = image_size
    x1, y1, x2, y2 = box
    clipped = [max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))]
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise PromptError(f"box {shown(box)} does not overlap {extent(image_size)}")
    return clipped
