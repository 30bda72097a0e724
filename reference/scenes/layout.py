"""Arranging the objects of a scene: their places, their order of painting, and copies of the same design."""

import math

import torch
from torch import Tensor

from reference.scenes.dice import Dice


def large_before_small(dice: Dice, diameter: Tensor) -> Tensor:
    """Sort diameters (B, count) roughly from large to small, so that small objects are painted last and visible."""
    key = diameter.log2() + 1.2 * dice.normal(diameter.shape[1])
    return diameter.gather(1, key.argsort(dim=1, descending=True))


def source_of_copies(dice: Dice, count: int) -> Tensor:
    """Return the index (B, count) of the object whose design each object takes: its own, or that of the one before it.

    Photos often show groups of similar things side by side, which must be told apart.
    """
    copies = dice.chance(0.2, count)
    source = torch.arange(count).repeat(len(copies), 1)
    for index in range(1, count):
        source[:, index] = torch.where(copies[:, index], source[:, index - 1], index)
    return source


def draw_centers(dice: Dice, diameter: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw centers (B, count, 2), x and y: anywhere, or next to the object before. The border cuts large objects."""
    count = diameter.shape[1]
    extent = torch.tensor([size[1], size[0]], dtype=torch.float32)
    share = dice.uniform(0, 1, count, 2)
    place = share * extent
    direction = dice.uniform(0, 2 * math.pi, count)
    direction = torch.stack([direction.cos(), direction.sin()], dim=-1)
    # Most of a large object is visible. Of one larger than the picture, a piece of its edge is visible.
    span = diameter[..., None]
    mostly_seen = extent / 2 + (share - 0.5) * (extent - 0.6 * span)
    place = torch.where(span > 0.6 * extent.min(), mostly_seen, place)
    from_edge = span * dice.uniform(0.15, 0.5, count, 1) * direction
    place = torch.where(span > extent.min(), share * extent + from_edge, place)
    near = dice.chance(0.35, count) & (diameter < 0.5 * extent.min())
    closeness = dice.uniform(0.25, 0.55, count)
    for index in range(1, count):
        gap = closeness[:, index] * (diameter[:, index] + diameter[:, index - 1])
        beside = place[:, index - 1] + gap[:, None] * direction[:, index]
        beside = torch.minimum(beside.clamp(min=0), extent)
        place[:, index] = torch.where(near[:, index, None], beside, place[:, index])
    return place
