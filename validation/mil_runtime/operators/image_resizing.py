"""Operators that resize pictures, or the last axes of any tensor.

Semantics: coremltools' ``ops/defs/iOS15/image_resizing.py`` and its successors. Points are computed
from their formulas in float64, separately for each axis. The definitions leave two choices open:

- The nearest pixel is the floor of a point in the old picture. That is the point at the middle of the new
  pixel (``resize_nearest_neighbor``, ``resize``) or at its corner (``upsample_nearest_neighbor``).
- Upsampling computes the new size from the scale in float32, as the converter does, and samples by the
  ratio of the sizes.
"""

import numpy as np
import torch
from torch import Tensor

from validation.mil_runtime.arithmetic.sampling import points_of
from validation.mil_runtime.arithmetic.sizes import checked_shape
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import operator


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


@operator("upsample_bilinear", without=["half_pixel_centers"])
@operator("upsample_bilinear", since=Opset.iOS16)
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    if align_corners and half_pixel_centers:
        raise OperationError(
            "align_corners and half_pixel_centers are both set: expected one of them"
        )
    if align_corners:
        mode = "STRICT_ALIGN_CORNERS"
    else:
        mode = "DEFAULT" if half_pixel_centers is False else "UNALIGN_CORNERS"
    sizes = [_scaled(x.shape[-2], scale_factor_height), _scaled(x.shape[-1], scale_factor_width)]
    return _resize_linear(x, sizes, mode)


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
    sizes = [size or before for size, before in zip(asked, old, strict=True)]  # 0 keeps the size
    if interpolation_mode == "NEAREST_NEIGHBOR":
        # For nearest pixels Core ML's DEFAULT has the points of UNALIGN_CORNERS. It is unknown what
        # other modes do.
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


def _scaled(size: int, scale: float) -> int:
    """Return the new size of an axis, computed in the type that the converter uses for shapes."""
    return int(np.floor(np.float32(size) * np.float32(scale)))


def _resize_linear(x: Tensor, sizes: list[int], mode: str) -> Tensor:
    """Resize the last axes of ``x`` to ``sizes``. The last axis comes first, as it is slower to read."""
    place = points_of(mode)
    _require_sizes(x, sizes)
    for axis in range(-1, -len(sizes) - 1, -1):
        count, last = sizes[axis], x.shape[axis] - 1
        steps = torch.arange(count, dtype=torch.float64)
        points = place(torch.tensor(last, dtype=torch.float64), steps, count).clamp(0, last)
        if torch.equal(points, torch.arange(last + 1, dtype=torch.float64)):
            continue
        x = _interpolate(x, axis, points)
    return x


def _interpolate(x: Tensor, axis: int, points: Tensor) -> Tensor:
    """Interpolate ``x`` at points between its elements along one axis."""
    before = points.floor()
    weight = (points - before).to(x.dtype).reshape(-1, *[1] * (-1 - axis))
    before = before.long()
    after = (before + 1).clamp(max=x.shape[axis] - 1)
    return torch.lerp(_pick(x, axis, before), _pick(x, axis, after), weight)


def _resize_nearest(x: Tensor, sizes: list[int]) -> Tensor:
    """Resize the last axes of ``x`` to ``sizes``, taking the element under the middle of each new one."""
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
