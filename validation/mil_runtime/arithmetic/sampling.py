"""Places sampling points along the axes of a picture, and reads the picture at such points.

Semantics: coremltools' ``ops/defs/iOS15/image_resizing.py``, whose ``sampling_mode`` is common to
resizing and cropping. Values between pixels are interpolated linearly in the compute type.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError

# (last, steps, count) → the positions of points on the interval from 0 to ``last``. These are the middles
# of the first and the last of ``last`` + 1 pixels. ``steps`` are the numbers of the points, and ``count``
# is how many there are. Points may lie outside the interval; callers clamp them.
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
    """Return the function that places points in a mode.

    Raises:
        OperationError: the mode is unknown.
    """
    if sampling_mode not in _SAMPLING_MODES:
        raise OperationError(
            f"sampling_mode '{sampling_mode}': expected one of {', '.join(_SAMPLING_MODES)}"
        )
    return _SAMPLING_MODES[sampling_mode]


class Pictures:
    """Reads pictures (B, C, H, W) at points."""

    def __init__(self, x: Tensor, images: Tensor) -> None:
        """Read from ``x`` (B, C, H, W). ``images`` (N,) has the index of the picture of each row of points."""
        self._height, self._width = x.shape[-2:]
        self._pixels = x.transpose(0, 1).flatten(1)  # (B, C, H, W) → (C, B * H * W)
        self._first = images[:, None, None] * (self._height * self._width)

    def bilinear(self, rows: Tensor, columns: Tensor, padding: float | None) -> Tensor:
        """Interpolate at points (N, h, w) between pixels, padded as in ``read``. Return (N, C, h, w)."""
        top, left = rows.floor(), columns.floor()
        right = (columns - left)[:, None]
        upper = torch.lerp(self.read(top, left, padding), self.read(top, left + 1, padding), right)
        lower = torch.lerp(
            self.read(top + 1, left, padding), self.read(top + 1, left + 1, padding), right
        )
        return torch.lerp(upper, lower, (rows - top)[:, None])

    def read(self, rows: Tensor, columns: Tensor, padding: float | None) -> Tensor:
        """Read the pixels at integer points (N, h, w). Return (N, C, h, w).

        Outside the picture, pixels have the value ``padding``, or that of the nearest border pixel if
        it is None.
        """
        row, column = _nearest(rows, self._height), _nearest(columns, self._width)
        index = self._first + row * self._width + column
        values = self._pixels[:, index].transpose(0, 1)  # (C, N, h, w) → (N, C, h, w)
        if padding is None:
            return values
        inside = within(rows, self._height - 1) & within(columns, self._width - 1)
        return torch.where(inside[:, None], values, padding)


def within(points: Tensor, last: Tensor | int) -> Tensor:
    """Return which points are in the interval from 0 to ``last``, both ends included."""
    return (points >= 0) & (points <= last)


def _nearest(points: Tensor, size: int) -> Tensor:
    """Turn integer points into indices. A point outside gets the index of the border."""
    return points.nan_to_num(0).clamp(0, size - 1).long()
