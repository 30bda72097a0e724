"""Photo-like scenes with exact instance masks, from seeds."""

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

OBJECTS = 24  # labeled, in a full frame, at most
OBJECTS_IN_CROP = 10  # a crop of at most half the frame's side sees fewer
CLOSE_UPS = 0.12  # the share of scenes in which one object measures more than half of the frame
CLUTTER = 40  # small things without a label, behind the objects, at most
CLUTTER_DIAMETERS = (4, 32)  # pixels
BACKDROPS = 2  # large ones, such as a wall or a table, at most
PLAIN_OBJECTS = 6  # in a plain scene, at most
PLAIN_DIAMETERS = (0.12, 0.7)  # of a plain scene's objects, of the picture's side
# Whether scenes are plain is drawn apart, so that the others stay what they are.
_PLAIN_SEEDS = 1 << 60


@dataclass(frozen=True)
class Scenes:
    """B pictures and the instances in them; INSTANCES = 32 places for each, not all of them taken.

    Attributes:
        images: float32 (B, 3, H, W), RGB in 0…255, whole numbers, as of a decoded 8-bit photo.
        masks: bool (B, INSTANCES, H, W), each instance's visible pixels; a part's are its whole's, too.
        valid: bool (B, INSTANCES), which places are taken; the masks of the others are empty.
        parents: int64 (B, INSTANCES), index of the whole that a part belongs to, -1 for a whole.
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
    """Make one scene per seed; it depends on nothing else, and is the same on all devices up to rounding.

    Args:
        seeds: at least one; any of torch's seeds.
        size: the pictures' side, or (height, width), in pixels.
        device: where to make them; the tensors stay there.
        textures: float32 (T, 3, h, w), RGB in 0…255, on the device; default, ``load_textures``.
        frame: side in pixels of the full frame that the pictures are crops of: objects measure from
            16 pixels to half of it, and one of them more in a few scenes; default, the longer side.
        plain: the share of scenes that are easy: a few large objects, without pattern, texture or clutter.
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
    """What is behind the objects: a surface, sometimes large things on it, and clutter; if plain, one color."""
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
