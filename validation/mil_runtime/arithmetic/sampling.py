"""Where points lie along the axes of a picture, and what pictures hold there.

Semantics: coremltools' ``ops/defs/iOS15/image_resizing.py``, whose ``sampling_mode`` resizing and
cropping share. Values between pixels are interpolated linearly in the compute type.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError

# (last, steps, count) → where ``count`` points, of which ``steps`` are the numbers, lie on an
# interval from 0 to ``last``, which is where the middle of the last of ``last`` + 1 pixels is.
# Points may lie beyond it, to be held inside.
PointsOf = Callable[[Tensor, Tensor, int], Tensor]


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


_SAMPLING_MODES: dict[str, PointsOf] = {
    "STRICT_ALIGN_CORNERS": _strict_align_corners,
    "ALIGN_CORNERS": _align_corners,
    "DEFAULT": _default,
    "OFFSET_CORNERS": _offset_corners,
    "UNALIGN_CORNERS": _unalign_corners,
}


def points_of(sampling_mode: str) -> PointsOf:
    """How a mode places points; OperationError if there is no such mode."""
    if sampling_mode not in _SAMPLING_MODES:
        raise OperationError(
            f"sampling_mode '{sampling_mode}': expected one of {', '.join(_SAMPLING_MODES)}"
        )
    return _SAMPLING_MODES[sampling_mode]


class Pictures:
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
        inside = within(rows, self._height - 1) & within(columns, self._width - 1)
        return torch.where(inside[:, None], values, padding)


def within(points: Tensor, last: Tensor | int) -> Tensor:
    """Whether points are on the interval from 0 to ``last``, both ends included."""
    return (points >= 0) & (points <= last)


def _nearest(points: Tensor, size: int) -> Tensor:
    """Whole points as indices, the border's for those beyond it."""
    return points.nan_to_num(0).clamp(0, size - 1).long()
