"""Operators that sample pictures at other points than their pixels: resizing, cropping, warping.

Semantics: coremltools' ``ops/defs/iOS15/image_resizing.py`` and its successors. Points are computed
from their formulas, along each axis by itself where a picture is only resized, in float64; values
between pixels are interpolated linearly in the compute type. Where the definitions leave a choice:

- a nearest pixel is floor of the point that the middle of the new pixel has in the old picture
  (``resize_nearest_neighbor``, ``resize``), or that its corner has (``upsample_nearest_neighbor``);
  halves round to even in ``resample``;
- upsampling computes the new size from the scale in float32, as the converter does, and samples by
  the ratio of the sizes;
- the points of a box are held inside the box, and are outside the picture beyond its border pixels'
  middles.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.operators.registry import operator
from validation.mil_runtime.operators.sizes import checked_shape
from validation.mil_runtime.program_structure import Opset


def _strict_align_corners(last: Tensor, steps: Tensor, count: int) -> Tensor:
    return steps * last / max(count - 1, 1)


def _align_corners(last: Tensor, steps: Tensor, count: int) -> Tensor:
    return last / 2 + 0 * steps if count == 1 else _strict_align_corners(last, steps, count)


def _default(last: Tensor, steps: Tensor, count: int) -> Tensor:
    return steps * (last + 1) / count


def _offset_corners(last: Tensor, steps: Tensor, count: int) -> Tensor:
    return (steps + 0.5) * last.clamp(min=1) / count


def _unalign_corners(last: Tensor, steps: Tensor, count: int) -> Tensor:
    return (steps + 0.5) * (last + 1) / count - 0.5


# Sampling mode → where ``count`` points lie on an interval from 0 to ``last``, which is where the
# middle of the last of ``last`` + 1 pixels is. Points may lie beyond it, to be held inside.
_SAMPLING_MODES: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "STRICT_ALIGN_CORNERS": _strict_align_corners,
    "ALIGN_CORNERS": _align_corners,
    "DEFAULT": _default,
    "OFFSET_CORNERS": _offset_corners,
    "UNALIGN_CORNERS": _unalign_corners,
}


@operator("upsample_nearest_neighbor", moves_data=True)
def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Tensor:
    for axis, scale in ((-2, scale_factor_height), (-1, scale_factor_width)):
        old = x.shape[axis]
        new = _scaled(old, scale)
        x = _pick(x, axis, torch.arange(new) * old // new)
    return x


@operator("resize_nearest_neighbor", moves_data=True)
def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    return _resize_nearest(x, [target_size_height, target_size_width])


@operator("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
) -> Tensor:
    sizes = [_scaled(x.shape[-2], scale_factor_height), _scaled(x.shape[-1], scale_factor_width)]
    return _resize_linear(x, sizes, "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS")


@operator("upsample_bilinear", since=Opset.iOS16)
def upsample_bilinear_by_centers(
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    if align_corners and half_pixel_centers:
        raise OperationError("align_corners with half_pixel_centers: expected one of them")
    if align_corners or half_pixel_centers in (None, True):
        return upsample_bilinear(x, scale_factor_height, scale_factor_width, align_corners)
    sizes = [_scaled(x.shape[-2], scale_factor_height), _scaled(x.shape[-1], scale_factor_width)]
    return _resize_linear(x, sizes, "DEFAULT")


@operator("resize_bilinear")
def resize_bilinear(
    x: Tensor,
    target_size_height: int = 1,
    target_size_width: int = 1,
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    return _resize_linear(x, [target_size_height, target_size_width], sampling_mode)


@operator("resize", since=Opset.iOS17)
def resize(
    x: Tensor,
    shape: list[int],
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    if not 0 <= resized_dims <= len(shape) <= x.dim():
        raise OperationError(
            f"resized_dims {resized_dims} of a shape of {len(shape)} for rank {x.dim()}: expected "
            "each to be at most the next"
        )
    old = x.shape[x.dim() - resized_dims :]
    asked = shape[len(shape) - resized_dims :]
    sizes = [size or before for size, before in zip(asked, old, strict=True)]  # 0: as before
    if interpolation_mode == "NEAREST_NEIGHBOR":
        # Core ML's DEFAULT is here the nearest of UNALIGN_CORNERS' points; of others nothing is
        # known.
        if sampling_mode not in ("DEFAULT", "UNALIGN_CORNERS"):
            raise OperationError(
                f"sampling_mode '{sampling_mode}' with NEAREST_NEIGHBOR: expected DEFAULT or "
                "UNALIGN_CORNERS"
            )
        return _resize_nearest(x, sizes)
    if interpolation_mode != "LINEAR":
        raise OperationError(
            f"interpolation_mode '{interpolation_mode}': expected LINEAR or NEAREST_NEIGHBOR"
        )
    if not x.is_floating_point():
        raise OperationError("LINEAR of integers: expected NEAREST_NEIGHBOR, or a float type")
    return _resize_linear(x, sizes, sampling_mode)


@operator("crop", moves_data=True)
def crop(x: Tensor, crop_height: list[int], crop_width: list[int]) -> Tensor:
    for axis, amounts in ((-2, crop_height), (-1, crop_width)):
        if len(amounts) != 2 or min(amounts) < 0 or sum(amounts) >= x.shape[axis]:
            raise OperationError(
                f"crops {amounts} of {x.shape[axis]} pixels: expected two numbers, none negative, "
                "that leave a pixel"
            )
        x = x.narrow(axis, amounts[0], x.shape[axis] - sum(amounts))
    return x


@dataclass(frozen=True)
class _Crops:
    """How boxes are cut from pictures, whatever the opset."""

    height: int
    width: int
    normalized: bool
    scale: float
    box_mode: str
    sampling_mode: str
    padding: float

    def cut(self, x: Tensor, images: Tensor, boxes: Tensor) -> Tensor:
        """Boxes (N, 4), each of the picture of its index in ``images`` (N,), as (N, C, h, w)."""
        if images.numel() and not 0 <= images.min() <= images.max() < x.shape[0]:
            raise OperationError(
                f"box indices {images.tolist()}: expected 0 to {x.shape[0] - 1}, a picture each"
            )
        checked_shape((len(boxes), x.shape[1], self.height, self.width))
        starts, ends = _corners(boxes * self.scale, self.box_mode)  # (N, 2): of rows, of columns
        old = torch.tensor(x.shape[-2:], dtype=boxes.dtype) - 1
        if self.normalized:
            starts, ends = starts * old, ends * old
        rows = self._points(starts[:, :1], ends[:, :1], self.height)[:, :, None]  # (N, h, 1)
        columns = self._points(starts[:, 1:], ends[:, 1:], self.width)[:, None]  # (N, 1, w)
        inside = _within(rows, old[0]) & _within(columns, old[1])
        values = _Pictures(x, images).bilinear(rows, columns, None)
        return torch.where(inside[:, None], values, self.padding)

    def _points(self, start: Tensor, end: Tensor, count: int) -> Tensor:
        """Where a box of each row is sampled along an axis: (N, 1) → (N, count)."""
        if count < 1:
            raise OperationError(f"a target size of {count}: expected at least 1")
        mode = _sampling_mode(self.sampling_mode)
        if mode not in (_strict_align_corners, _align_corners) and (end < start).any():
            raise OperationError(
                f"a box that ends before it starts with {self.sampling_mode}: expected "
                "ALIGN_CORNERS or STRICT_ALIGN_CORNERS, which turn the picture round"
            )
        steps = torch.arange(count, dtype=start.dtype)
        points = start + mode(end - start, steps, count)
        return points.clamp(torch.minimum(start, end), torch.maximum(start, end))


@operator("crop_resize")
def crop_resize(
    x: Tensor,
    roi: Tensor,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    crops = _Crops(
        target_height,
        target_width,
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
        padding=0.0,
    )
    return _crop_regions(x, roi, crops)


@operator("crop_resize", since=Opset.iOS16)
def crop_resize_padded(
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
    crops = _Crops(
        target_height,
        target_width,
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
        pad_value,
    )
    return _crop_regions(x, roi, crops)


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
            f"{list(images.shape)} indices of {len(boxes)} boxes: expected one each"
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


@operator("affine")
def affine(
    x: Tensor,
    transform_matrix: Tensor,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    # Core ML has these parameters for one value each.
    _require("sampling_mode", sampling_mode, "bilinear")
    _require("padding_mode", padding_mode, "constant")
    _require("padding_value", padding_value, 0.0)
    _require("coordinates_mode", coordinates_mode, "normalized_minus_one_to_one")
    _require("align_corners", align_corners, True)
    batch, channels = x.shape[:2]
    if transform_matrix.dim() != 2 or transform_matrix.shape[1] != 6:
        raise OperationError(
            f"transform_matrix of shape {list(transform_matrix.shape)}: expected D×6"
        )
    if transform_matrix.shape[0] not in (1, batch):
        raise OperationError(
            f"{transform_matrix.shape[0]} transforms of {batch} pictures: expected one, or one each"
        )
    checked_shape((batch, channels, output_height, output_width))
    matrix = transform_matrix.reshape(-1, 2, 3).expand(batch, 2, 3)
    rows = _from_minus_one(output_height, x.dtype)[:, None].expand(output_height, output_width)
    columns = _from_minus_one(output_width, x.dtype).expand(output_height, output_width)
    places = torch.stack([columns, rows, torch.ones_like(rows)])  # (3, h, w): x, y, 1
    moved = torch.einsum("bij,jhw->bhwi", matrix, places)  # (B, h, w, 2): x, y
    return resample(
        x, moved, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners
    )


@operator("resample")
def resample(
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    if x.dim() != 4 or coordinates.dim() != 4 or coordinates.shape[::3] != (x.shape[0], 2):
        raise OperationError(
            f"coordinates of shape {list(coordinates.shape)} for x of {list(x.shape)}: expected "
            "(B, h, w, 2) for (B, C, H, W)"
        )
    checked_shape((*x.shape[:2], *coordinates.shape[1:3]))
    points = coordinates.to(x.dtype).unbind(-1)  # columns, rows: (B, h, w) each
    columns, rows = (
        _pad_points(_to_pixels(point, size, coordinates_mode, align_corners), size, padding_mode)
        for point, size in zip(points, (x.shape[3], x.shape[2]), strict=True)
    )
    pictures = _Pictures(x, torch.arange(x.shape[0]))
    padding = padding_value if padding_mode == "constant" else None
    if sampling_mode == "bilinear":
        return pictures.bilinear(rows, columns, padding)
    if sampling_mode == "nearest":
        return pictures.read(rows.round(), columns.round(), padding)
    raise OperationError(f"sampling_mode '{sampling_mode}': expected bilinear or nearest")


class _Pictures:
    """Pictures (B, C, H, W), read at points that are given for each of some of them."""

    def __init__(self, x: Tensor, images: Tensor) -> None:
        """``images`` (N,) says which picture the points of a row are in."""
        self._height, self._width = x.shape[-2:]
        self._pixels = x.transpose(0, 1).flatten(1)  # (B, C, H, W) → (C, B * H * W)
        self._first = images[:, None, None] * (self._height * self._width)

    def bilinear(self, rows: Tensor, columns: Tensor, padding: float | None) -> Tensor:
        """Values between pixels, at points (N, h, w), as (N, C, h, w); see ``read``."""
        top, left = rows.floor(), columns.floor()
        right = (columns - left)[:, None]
        upper = torch.lerp(self.read(top, left, padding), self.read(top, left + 1, padding), right)
        lower = torch.lerp(
            self.read(top + 1, left, padding), self.read(top + 1, left + 1, padding), right
        )
        return torch.lerp(upper, lower, (rows - top)[:, None])

    def read(self, rows: Tensor, columns: Tensor, padding: float | None) -> Tensor:
        """Pixels at whole points (N, h, w), as (N, C, h, w).

        Outside the picture are ``padding``, or, if that is None, its border pixels.
        """
        row, column = _nearest(rows, self._height), _nearest(columns, self._width)
        index = self._first + row * self._width + column
        values = self._pixels[:, index].transpose(0, 1)  # (C, N, h, w) → (N, C, h, w)
        if padding is None:
            return values
        inside = _within(rows, self._height - 1) & _within(columns, self._width - 1)
        return torch.where(inside[:, None], values, padding)


def _nearest(points: Tensor, size: int) -> Tensor:
    """Whole points as indices, the border's for those beyond it."""
    return points.nan_to_num(0).clamp(0, size - 1).long()


def _within(points: Tensor, last: Tensor | int) -> Tensor:
    return (points >= 0) & (points <= last)


def _crop_regions(x: Tensor, roi: Tensor, crops: _Crops) -> Tensor:
    """Boxes (N, 1, 4, 1, 1) of every picture, or (N, 1, 5, 1, 1) of the one that each names."""
    if roi.dim() != 5 or roi.shape[1:] not in ((1, 4, 1, 1), (1, 5, 1, 1)):
        raise OperationError(
            f"roi of shape {list(roi.shape)}: expected (N, 1, 4, 1, 1) or (N, 1, 5, 1, 1)"
        )
    boxes = roi.reshape(roi.shape[0], -1)
    count, each = (len(boxes), 1) if boxes.shape[1] == 5 else (len(boxes), x.shape[0])
    if boxes.shape[1] == 5:
        images, boxes = boxes[:, 0].long(), boxes[:, 1:]
    else:
        images = torch.arange(each).repeat(count)
        boxes = boxes.repeat_interleave(each, 0)
    crops_of_all = crops.cut(x, images, boxes)
    return crops_of_all.unflatten(0, (count, each))  # (N * each, C, h, w) → (N, each, C, h, w)


def _corners(boxes: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    """Boxes (N, 4) as their starts and ends, (N, 2) each: of rows, of columns."""
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


def _sampling_mode(name: str) -> Callable[[Tensor, Tensor, int], Tensor]:
    if name not in _SAMPLING_MODES:
        raise OperationError(
            f"sampling_mode '{name}': expected one of {', '.join(_SAMPLING_MODES)}"
        )
    return _SAMPLING_MODES[name]


def _scaled(size: int, scale: float) -> int:
    """The new size of an axis, in the type that the converter computes declared shapes in."""
    return int(np.floor(np.float32(size) * np.float32(scale)))


def _resize_linear(x: Tensor, sizes: list[int], mode: str) -> Tensor:
    """``x`` with its last axes of ``sizes``; the last axis first, which is the slower to read."""
    points_of = _sampling_mode(mode)
    _require_sizes(x, sizes)
    for axis in range(-1, -len(sizes) - 1, -1):
        count, last = sizes[axis], x.shape[axis] - 1
        steps = torch.arange(count, dtype=torch.float64)
        points = points_of(torch.tensor(last, dtype=torch.float64), steps, count).clamp(0, last)
        if torch.equal(points, torch.arange(last + 1, dtype=torch.float64)):
            continue
        x = _interpolate(x, axis, points)
    return x


def _interpolate(x: Tensor, axis: int, points: Tensor) -> Tensor:
    """``x`` at points between its elements of one axis."""
    before = points.floor()
    weight = (points - before).to(x.dtype).reshape(-1, *[1] * (-1 - axis))
    before = before.long()
    after = (before + 1).clamp(max=x.shape[axis] - 1)
    return torch.lerp(_pick(x, axis, before), _pick(x, axis, after), weight)


def _resize_nearest(x: Tensor, sizes: list[int]) -> Tensor:
    """``x`` with its last axes of ``sizes``: what is under the middle of each new element."""
    _require_sizes(x, sizes)
    for axis in range(-1, -len(sizes) - 1, -1):
        old, new = x.shape[axis], sizes[axis]
        x = _pick(x, axis, (2 * torch.arange(new) + 1) * old // (2 * new))
    return x


def _pick(x: Tensor, axis: int, indices: Tensor) -> Tensor:
    checked_shape((*x.shape[: x.dim() + axis], len(indices), *x.shape[x.dim() + axis + 1 :]))
    return x.index_select(axis, indices)


def _require_sizes(x: Tensor, sizes: list[int]) -> None:
    if any(size < 1 for size in sizes):
        raise OperationError(f"a target size of {sizes}: expected at least 1")
    checked_shape((*x.shape[: x.dim() - len(sizes)], *sizes))


def _require(name: str, value: object, expected: object) -> None:
    if value != expected:
        raise OperationError(f"{name} '{value}': expected {expected}, as Core ML has no other")


def _from_minus_one(count: int, dtype: torch.dtype) -> Tensor:
    """``count`` points from -1 to 1; a single one is in the middle."""
    return torch.linspace(-1, 1, count, dtype=dtype) if count != 1 else torch.zeros(1, dtype=dtype)


def _to_pixels(points: Tensor, size: int, mode: str, align_corners: bool) -> Tensor:
    """Coordinates along an axis as indices of its pixels."""
    if mode == "unnormalized":
        return points
    if mode == "normalized_minus_one_to_one":
        points = (points + 1) / 2
    elif mode != "normalized_zero_to_one":
        raise OperationError(
            f"coordinates_mode '{mode}': expected unnormalized, normalized_minus_one_to_one or "
            "normalized_zero_to_one"
        )
    return points * (size - 1) if align_corners else points * size - 0.5


def _pad_points(points: Tensor, size: int, mode: str) -> Tensor:
    """Points along an axis, those outside moved to where the padding has its values from."""
    if mode == "constant":
        return points.clamp(-2, size + 1)  # all of it is outside, and infinity is not there
    if mode == "reflection":
        points = _reflect(points, 0, size - 1)
    elif mode == "symmetric":
        points = _reflect(points, -0.5, size - 0.5)
    elif mode != "border":
        raise OperationError(
            f"padding_mode '{mode}': expected constant, border, reflection or symmetric"
        )
    return points.clamp(0, size - 1)


def _reflect(points: Tensor, low: float, high: float) -> Tensor:
    period = 2 * (high - low)
    if period == 0:
        return torch.full_like(points, low)
    distance = (points - low).remainder(period)
    return low + torch.minimum(distance, period - distance)
