"""Zones around a prompt, by the distance of each mask cell from it.

Within one zone, the position of a cell says little about the answer. Cells are those of the logits, and have a side of
4 pixels of the frame.
"""

import torch
from torch import Tensor

CELL = 4  # pixels of the frame per side of a cell
POINT_EDGES = (2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0, 20.0, 27.0)  # cells from the point
BOX_EDGES = (0.25, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.6)  # half sides of the box from its center
_SMALLEST_HALF_SIDE = 2.0  # pixels; smaller boxes count as this large


def point_zones(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the ring around each point in which a cell lies: int64 (B, h, w).

    Args:
        points: (B, 2), x and y in pixels of the picture.
        size: (h, w) in cells.
    """
    right, down = _distances(points, size)
    return torch.bucketize(torch.hypot(right, down) / CELL, points.new_tensor(POINT_EDGES))


def box_zones(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the rectangular zone inside or around each box in which a cell lies: int64 (B, h, w).

    Args:
        boxes: (B, 4), x1, y1, x2, y2 in pixels of the picture.
        size: (h, w) in cells.
    """
    right, down = _distances((boxes[:, :2] + boxes[:, 2:]) / 2, size)
    half = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=_SMALLEST_HALF_SIDE)[..., None, None]
    share = torch.maximum(right / half[:, 0], down / half[:, 1])
    return torch.bucketize(share, boxes.new_tensor(BOX_EDGES))


def _distances(points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the horizontal (B, 1, w) and vertical (B, h, 1) distances from points to cell centers, in pixels."""
    height, width = size
    x = (torch.arange(width, device=points.device) + 0.5) * CELL - 0.5
    y = (torch.arange(height, device=points.device) + 0.5) * CELL - 0.5
    across = (x[None, None] - points[:, 0, None, None]).abs()
    return across, (y[None, :, None] - points[:, 1, None, None]).abs()
