"""Letters and digits as distance maps, from the scalable font that comes with Pillow."""

import functools

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt
from torch import Tensor

# I, l and 1 are missing because they are only strokes in this font.
CHARACTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZabdefghkmnpqrstwy23456789&?@"
SIDE = 96  # pixels of a map; letters stay smooth even when it is magnified
OVERSAMPLING = 4  # factor of the drawing's resolution, so that outlines lie between pixels
MARGIN = 0.12  # width of the margin around the glyph, relative to the side


def glyph_count() -> int:
    """Return the number of glyphs to choose from."""
    return len(CHARACTERS)


def sample_glyphs(index: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return the distance from the outline of a glyph, positive inside and negative outside.

    The glyph fills -1…1 in both directions.

    Args:
        index: int64 (n, 1, 1), index of the glyph.
        u: (n, H, W), coordinate to the right.
        v: (n, H, W), coordinate downwards.
    """
    maps = _distance_maps(u.device)  # (1, 1, G*SIDE, SIDE)
    scale = 0.5 - MARGIN
    column = (0.5 + scale * u).clamp(0, 1) * (SIDE - 1) + 0.5
    row = (0.5 + scale * v).clamp(0, 1) * (SIDE - 1) + 0.5 + index * SIDE
    grid = torch.stack([2 * column / SIDE - 1, 2 * row / maps.shape[2] - 1], dim=-1)
    flat = grid.view(1, -1, u.shape[-1], 2)  # all maps together are one tall picture
    sampled = torch.nn.functional.grid_sample(maps, flat, align_corners=False)
    return sampled.view_as(u)


@functools.cache
def _distance_maps(device: torch.device) -> Tensor:
    maps = np.concatenate([_distance_map(character) for character in CHARACTERS])
    return torch.from_numpy(maps)[None, None].to(device)


def _distance_map(character: str) -> np.ndarray:
    """Return the distance map of a character, float32 (SIDE, SIDE). The unit is half of the glyph's longer side."""
    side = SIDE * OVERSAMPLING
    room = side * (1 - 2 * MARGIN)
    font = ImageFont.load_default(room)
    left, top, right, bottom = font.getbbox(character)
    font = ImageFont.load_default(room * room / max(right - left, bottom - top))
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text((side / 2, side / 2), character, 255, font, anchor="mm")
    # anchor="mm" centers the line and not the glyph, so the ink is moved to the middle.
    left, top, right, bottom = canvas.getbbox()
    offset = ((left + right - side) // 2, (top + bottom - side) // 2)
    canvas = canvas.transform(
        canvas.size, Image.Transform.AFFINE, (1, 0, offset[0], 0, 1, offset[1])
    )
    inside = np.asarray(canvas) > 127
    distance = distance_transform_edt(inside) - distance_transform_edt(~inside)
    shrunk = distance.reshape(SIDE, OVERSAMPLING, SIDE, OVERSAMPLING).mean((1, 3))
    return (shrunk / (room / 2)).astype(np.float32)
