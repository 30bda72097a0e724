"""Operators that read a picture at a given point for each new pixel: ``resample`` and ``affine``.

Semantics: coremltools' ``ops/defs/iOS15/image_resizing.py`` and its successors. The definitions leave open
which of two equally near pixels is the nearest; here halves round to even.
"""

import torch
from torch import Tensor

from validation.mil_runtime.arithmetic.sampling import Pictures
from validation.mil_runtime.arithmetic.sizes import checked_shape
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import operator


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
    # For these parameters Core ML allows only one value.
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
            f"{transform_matrix.shape[0]} transforms for {batch} pictures: expected 1 or {batch}"
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
    pictures = Pictures(x, torch.arange(x.shape[0]))
    padding = padding_value if padding_mode == "constant" else None
    if sampling_mode == "bilinear":
        return pictures.bilinear(rows, columns, padding)
    if sampling_mode == "nearest":
        return pictures.read(rows.round(), columns.round(), padding)
    raise OperationError(f"sampling_mode '{sampling_mode}': expected bilinear or nearest")


def _require(name: str, value: object, expected: object) -> None:
    if value != expected:
        raise OperationError(
            f"{name} '{value}': expected {expected}, the only value that Core ML allows"
        )


def _from_minus_one(count: int, dtype: torch.dtype) -> Tensor:
    """Return ``count`` points from -1 to 1. A single point is in the middle."""
    return torch.linspace(-1, 1, count, dtype=dtype) if count != 1 else torch.zeros(1, dtype=dtype)


def _to_pixels(points: Tensor, size: int, mode: str, align_corners: bool) -> Tensor:
    """Convert coordinates along an axis to indices of its pixels."""
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
    """Move points outside an axis to the pixels from which the padding takes its values."""
    if mode == "constant":
        return points.clamp(-2, size + 1)  # keeps them outside, and makes infinite ones finite
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
