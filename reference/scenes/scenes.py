"""Generating photo-like scenes with exact instance masks, one scene per seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.scenes.camera import blur, draw_background_blur, photograph
from reference.scenes.dice import Dice
from reference.scenes.instances import read_instances
from reference.scenes.looks import PALETTE, draw_colors, draw_looks, surface_colors
from reference.scenes.objects import MAX_DIAMETER, MIN_DIAMETER, draw_objects
from reference.scenes.painting import BACKGROUND, Canvas, paint
from reference.scenes.textures import load_textures

OBJECTS = 24  # most labeled objects in a full frame
OBJECTS_IN_CROP = 10  # most labeled objects in a crop of at most half the side of the frame
CLOSE_UPS = 0.12  # share of scenes in which one object is larger than half of the frame
CLUTTER = 40  # most small things without a label behind the objects
CLUTTER_DIAMETERS = (4, 32)  # pixels
BACKDROPS = 2  # most large things without a label, such as a wall or a table
PLAIN_OBJECTS = 6  # most objects in a plain scene
PLAIN_DIAMETERS = (0.12, 0.7)  # diameters in a plain scene, relative to the side of the picture
# Plain scenes are drawn with separate seeds, so that the other scenes do not depend on them.
_PLAIN_SEEDS = 1 << 60


@dataclass(frozen=True)
class Scenes:
    """B pictures and their instances. Each picture has INSTANCES = 32 places for instances, which are not all used.

    Attributes:
        images: float32 (B, 3, H, W), RGB in 0…255, whole numbers like those of a decoded 8-bit photo.
        masks: bool (B, INSTANCES, H, W), the visible pixels of each instance. Pixels of a part belong to its whole too.
        valid: bool (B, INSTANCES), whether the place holds an instance. The masks of the others are empty.
        parents: int64 (B, INSTANCES), index of the whole to which a part belongs, and -1 for a whole.
    """

    images: Tensor
    masks: Tensor
    valid: Tensor
    parents: Tensor


def generate_scenes(
    seeds: Sequence[int],
    size: int | tuple[int, int],
    device: torch.device | str = "cpu",
    textures: Tensor | None = None,
    frame: int | None = None,
    plain: float = 0.0,
) -> Scenes:
    """Generate one scene per seed. A scene depends only on its seed, and is the same on all devices up to rounding.

    Args:
        seeds: at least one seed that torch accepts.
        size: side of the pictures in pixels, or their (height, width).
        device: device that makes the scenes and holds the tensors.
        textures: float32 (T, 3, h, w), RGB in 0…255, on the device. The default is ``load_textures``.
        frame: side in pixels of the full frame, if the pictures are crops of it. Objects measure from 16 pixels to half
            of the frame, and in a few scenes one of them is larger. The default is the longer side of the pictures.
        plain: share of easy scenes, which have a few large objects without pattern, texture or clutter.
    """
    size = (size, size) if isinstance(size, int) else tuple(size)
    frame = frame or max(size)
    textures = load_textures(device) if textures is None else textures
    dice = Dice(seeds)
    palette = draw_colors(dice, PALETTE)
    plain_dice = Dice([seed ^ _PLAIN_SEEDS for seed in seeds])
    is_plain = plain_dice.chance(plain)
    canvas = _backdrop(dice, palette, size, textures, is_plain)
    blur(canvas.colors, draw_background_blur(dice))
    canvas.labels.fill_(BACKGROUND)
    most = OBJECTS if 2 * max(size) > frame else OBJECTS_IN_CROP
    diameter = dice.log_uniform(MIN_DIAMETER, max(MIN_DIAMETER, MAX_DIAMETER * frame), most)
    close_up = frame * dice.uniform(MAX_DIAMETER, 0.95)
    diameter[:, 0] = torch.where(dice.chance(CLOSE_UPS), close_up, diameter[:, 0])
    in_picture = max(size) * plain_dice.log_uniform(*PLAIN_DIAMETERS, most)
    diameter = torch.where(is_plain[:, None], in_picture, diameter)
    objects = draw_objects(dice, palette, len(textures), diameter, size).simplified(is_plain)
    most_present = torch.where(is_plain, PLAIN_OBJECTS, most)
    present = torch.arange(most) < (2 + dice.uniform(0, 1) * (most_present - 1))[:, None].floor()
    full_area = paint(canvas, objects, present, textures)
    images = photograph(canvas.colors, dice)
    return Scenes(images, *read_instances(canvas.labels, full_area))


def _backdrop(
    dice: Dice, palette: Tensor, size: tuple[int, int], textures: Tensor, is_plain: Tensor
) -> Canvas:
    """Paint the background: a surface, sometimes large things on it, and clutter. In a plain scene it is one color."""
    scenes, device, count = len(palette), textures.device, len(textures)
    background = draw_looks(dice, palette[:, :1].expand(-1, PALETTE, -1), count, 0.7, (1,))
    background = background.simplified(is_plain).flatten()
    height, width = size
    x = (torch.arange(width, device=device) - width / 2).expand(scenes, 1, -1)
    y = (torch.arange(height, device=device) - height / 2).expand(scenes, -1)[..., None]
    flags = background.patterned, background.textured
    extent = torch.full((scenes,), float(max(size)), device=device)
    colors = surface_colors(background.to(device), flags, textures, x, y, extent)
    canvas = Canvas(colors, torch.empty(scenes, *size, dtype=torch.uint8, device=device))
    large = max(size) * dice.log_uniform(0.7, 2, BACKDROPS)
    small = dice.log_uniform(*CLUTTER_DIAMETERS, CLUTTER)
    things = draw_objects(dice, palette, count, torch.cat([large, small], dim=1), size)
    density = dice.uniform(-0.4, 1)[:, None].clamp(min=0) ** 2
    is_large = things.diameter > CLUTTER_DIAMETERS[1]
    present = dice.uniform(0, 1, BACKDROPS + CLUTTER) < torch.where(is_large, 0.35, density)
    present &= ~is_plain[:, None]
    paint(canvas, things, present, textures)
    return canvas
