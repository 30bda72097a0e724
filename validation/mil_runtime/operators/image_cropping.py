"""Operators that crop pictures, or crop and resize boxes of them.

Semantics: coremltools' ``ops/defs/iOS15/image_resizing.py`` and its successors. The definitions leave
two choices open. Here the points of a box are clamped to the box, and a point is outside the picture if it
is beyond the middles of the border pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from validation.mil_runtime.arithmetic.sampling import Pictures, points_of, within
from validation.mil_runtime.arithmetic.sizes import checked_shape
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import operator

# The modes that also define points for a box that ends before it starts. They mirror the picture.
_TURNING_MODES = ("ALIGN_CORNERS", "STRICT_ALIGN_CORNERS")


@operator("crop", moves_data=True)
def crop(x: Tensor, crop_height: list[int], crop_width: list[int]) -> Tensor:
    for axis, amounts in ((-2, crop_height), (-1, crop_width)):
        if len(amounts) != 2 or min(amounts) < 0 or sum(amounts) >= x.shape[axis]:
            raise OperationError(
                f"crops {amounts} of {x.shape[axis]} pixels: expected two numbers from 0 on that "
                "leave at least one pixel"
            )
        x = x.narrow(axis, amounts[0], x.shape[axis] - sum(amounts))
    return x


@dataclass(frozen=True)
class _Crops:
    """The parameters with which boxes are cut from pictures, in every opset."""

    height: int
    width: int
    normalized: bool
    scale: float
    box_mode: str
    sampling_mode: str
    padding: float

    def cut(self, x: Tensor, images: Tensor, boxes: Tensor) -> Tensor:
        """Cut boxes (N, 4) as (N, C, h, w). ``images`` (N,) has the index of each box's picture."""
        if images.numel() and not 0 <= images.min() <= images.max() < x.shape[0]:
            raise OperationError(
                f"box indices {images.tolist()}: expected indices of pictures, 0 to {x.shape[0] - 1}"
            )
        checked_shape((len(boxes), x.shape[1], self.height, self.width))
        starts, ends = _corners(boxes * self.scale, self.box_mode)  # (N, 2): of rows, of columns
        old = torch.tensor(x.shape[-2:], dtype=boxes.dtype) - 1
        if self.normalized:
            starts, ends = starts * old, ends * old
        rows = self._points(starts[:, :1], ends[:, :1], self.height)[:, :, None]  # (N, h, 1)
        columns = self._points(starts[:, 1:], ends[:, 1:], self.width)[:, None]  # (N, 1, w)
        inside = within(rows, old[0]) & within(columns, old[1])
        values = Pictures(x, images).bilinear(rows, columns, None)
        return torch.where(inside[:, None], values, self.padding)

    def _points(self, start: Tensor, end: Tensor, count: int) -> Tensor:
        """Return the points at which each row's box is sampled along an axis: (N, 1) → (N, count)."""
        if count < 1:
            raise OperationError(f"a target size of {count}: expected at least 1")
        place = points_of(self.sampling_mode)
        if self.sampling_mode not in _TURNING_MODES and (end < start).any():
            raise OperationError(
                f"a box that ends before it starts with {self.sampling_mode}: expected "
                f"{' or '.join(_TURNING_MODES)}, which mirror the picture"
            )
        steps = torch.arange(count, dtype=start.dtype)
        points = start + place(end - start, steps, count)
        return points.clamp(torch.minimum(start, end), torch.maximum(start, end))


@operator("crop_resize", without=["pad_value"])
@operator("crop_resize", since=Opset.iOS16)
def crop_resize(
    x: Tensor,
    roi: Tensor,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Tensor:
    boxes, images, each = _boxes_of_regions(roi, len(x))
    crops = crop_resize_boxes(
        x,
        boxes,
        images,
        target_height,
        target_width,
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
        pad_value,
    )
    return crops.unflatten(0, (len(roi), each))  # (N * each, C, h, w) → (N, each, C, h, w)


@operator("crop_resize", since=Opset.iOS17)
def crop_resize_boxes(
    x: Tensor,
    boxes: Tensor,
    box_indices: Tensor | None = None,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Tensor:
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise OperationError(f"boxes of shape {list(boxes.shape)}: expected (N, 4)")
    images = torch.arange(len(boxes)) if box_indices is None else box_indices.long()
    if images.shape != boxes.shape[:1]:
        raise OperationError(
            f"box_indices of shape {list(images.shape)}: expected one for each of {len(boxes)} boxes"
        )
    crops = _Crops(
        target_height,
        target_width,
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
        pad_value,
    )
    return crops.cut(x, images, boxes.to(x.dtype))


def _boxes_of_regions(roi: Tensor, pictures: int) -> tuple[Tensor, Tensor, int]:
    """Return the boxes that regions ask for, (M, 4), the index of each box's picture, (M,), and the boxes per region.

    A region of shape (1, 4, 1, 1) is cut from every picture. One of shape (1, 5, 1, 1) begins with the index of its
    picture.
    """
    if roi.dim() != 5 or roi.shape[1:] not in ((1, 4, 1, 1), (1, 5, 1, 1)):
        raise OperationError(
            f"roi of shape {list(roi.shape)}: expected (N, 1, 4, 1, 1) or (N, 1, 5, 1, 1)"
        )
    boxes = roi.reshape(len(roi), -1)
    if boxes.shape[1] == 5:
        return boxes[:, 1:], boxes[:, 0].long(), 1
    images = torch.arange(pictures).repeat(len(boxes))
    return boxes.repeat_interleave(pictures, 0), images, pictures


def _corners(boxes: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    """Split boxes (N, 4) into starts and ends, each (N, 2) with rows first, then columns."""
    first, second = boxes[:, :2], boxes[:, 2:]
    if mode in ("CORNERS_WIDTH_FIRST", "CENTER_SIZE_WIDTH_FIRST"):
        first, second = first.flip(1), second.flip(1)
    elif mode not in ("CORNERS_HEIGHT_FIRST", "CENTER_SIZE_HEIGHT_FIRST"):
        raise OperationError(
            f"box_coordinate_mode '{mode}': expected CORNERS or CENTER_SIZE, then _HEIGHT_FIRST or "
            "_WIDTH_FIRST"
        )
    if mode.startswith("CENTER_SIZE"):
        return first - second / 2, first + second / 2
    return first, second
