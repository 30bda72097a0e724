"""The looks of surfaces: color, pattern and texture."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.scenes.dice import Dice
from reference.scenes.rows import Rows, indices
from reference.scenes.textures import sample_textures

PALETTE = 6  # colors that the surfaces of a scene share; the first is the background color
SHORTEST_PERIOD = 5  # pixels; shorter cycles of a pattern would alias
TEXTURE_MIDDLE = 128  # brightness of a texture that leaves a color unchanged
GRAY = torch.tensor([0.30, 0.59, 0.11])  # luma of RGB
# Stripes, checks and spots: weights of sin x, sin y and sin x sin y, and a number to subtract from their sum.
PATTERNS = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.9]])


@dataclass(frozen=True)
class Looks(Rows):
    """The looks of n surfaces. Colors are RGB in 0…255, and are clipped only in the finished picture."""

    base: Tensor  # (n, 3), the main color
    other: Tensor  # (n, 3), the second color of the pattern
    patterned: Tensor  # bool (n,)
    pattern: Tensor  # (n, 4), a row of PATTERNS
    sharpness: Tensor  # (n,), sharpness of the edges in the pattern; low values make gradients
    cycles: Tensor  # (n,), cycles of the pattern across the object
    pattern_angle: Tensor  # (n,), radians
    phase: Tensor  # (n, 2), radians
    textured: Tensor  # bool (n,)
    texture: Tensor  # int64 (n,), index into the textures
    texture_color: Tensor  # (n, 3, 3), from the texture's RGB around its middle to added color
    texture_scale: Tensor  # (n,), pixels of the texture per pixel of the picture
    texture_angle: Tensor  # (n,), radians
    texture_offset: Tensor  # (n, 2), pixels of the texture

    def simplified(self, which: Tensor) -> "Looks":
        """Return the looks without pattern and texture where ``which`` is True. It may have fewer dimensions."""
        kept = ~which.view(*which.shape, *[1] * (self.patterned.ndim - which.ndim))
        return dataclasses.replace(
            self, patterned=self.patterned & kept, textured=self.textured & kept
        )


def draw_colors(dice: Dice, *shape: int) -> Tensor:
    """Draw colors (B, *shape, 3) of any hue, dark to bright and mostly pale or grayish, as in photos."""
    hue = dice.uniform(0, 6, *shape)[..., None]
    saturation = dice.uniform(0, 1, *shape)[..., None] ** 1.6
    value = 255 * dice.uniform(0.02, 1, *shape)[..., None] ** 0.7
    ramp = ((hue + torch.tensor([0.0, 4.0, 2.0])) % 6 - 3).abs() - 1
    return value * (1 - saturation * (1 - ramp.clamp(0, 1)))


def draw_looks(
    dice: Dice, palette: Tensor, textures: int, textured: float, shape: Sequence[int]
) -> Looks:
    """Draw the looks of surfaces (B, *shape).

    Args:
        dice: the dice of B scenes.
        palette: (B, PALETTE, 3), colors of each scene.
        textures: number of textures to choose from.
        textured: share of surfaces with a texture.
        shape: shape of the surfaces in each scene.
    """
    base, other = (_pick(dice, palette, shape) for _ in range(2))
    natural = dice.chance(0.5, *shape)[..., None]  # roughly keeps the colors of the photo
    gain = dice.log_uniform(0.6, 1.3, *shape)[..., None]
    mixing = (torch.eye(3) + 0.12 * dice.normal(*shape, 3, 3)) * gain[..., None]
    contrast = dice.log_uniform(0.3, 1.5, *shape)[..., None]
    # A gray texture varies between two colors, or between light and dark of one color.
    tint = torch.where(dice.chance(0.5, *shape)[..., None], (other - base) / 100, base / 128)
    tint = (contrast * tint)[..., None] * GRAY
    textured_mask = dice.chance(textured, *shape)
    photo_base = TEXTURE_MIDDLE * gain + 15 * dice.normal(*shape, 3)
    return Looks(
        base=torch.where(natural & textured_mask[..., None], photo_base, base),
        other=other,
        patterned=dice.chance(0.35, *shape),
        pattern=PATTERNS[dice.choice([3, 1, 1], *shape)],
        sharpness=dice.log_uniform(0.3, 6, *shape),
        cycles=dice.log_uniform(0.3, 8, *shape),
        pattern_angle=dice.uniform(0, 2 * math.pi, *shape),
        phase=dice.uniform(0, 2 * math.pi, *shape, 2),
        textured=textured_mask,
        texture=dice.choice([1] * textures, *shape),
        texture_color=torch.where(natural[..., None], mixing, tint),
        texture_scale=dice.log_uniform(0.3, 1.6, *shape),
        texture_angle=dice.uniform(0, 2 * math.pi, *shape),
        texture_offset=dice.uniform(0, 256, *shape, 2),
    )


def _pick(dice: Dice, palette: Tensor, shape: Sequence[int]) -> Tensor:
    """Draw colors (B, *shape, 3) near those of the palette, or any colors."""
    index = dice.choice([2] + [1] * (PALETTE - 1), *shape)
    scene = torch.arange(len(index)).view(-1, *[1] * len(shape))
    shared = palette[scene, index] + 10 * dice.normal(*shape, 3)
    return torch.where(dice.chance(0.65, *shape)[..., None], shared, draw_colors(dice, *shape))


def surface_colors(
    looks: Looks,
    flags: tuple[Tensor, Tensor],
    textures: Tensor,
    x: Tensor,
    y: Tensor,
    diameter: Tensor,
) -> Tensor:
    """Return the color of every pixel of n surfaces: (n, 3, H, W).

    Args:
        looks: the looks of the surfaces.
        flags: copies of ``patterned`` and ``textured`` on the CPU, which avoid waiting for a GPU.
        textures: (T, 3, h, w), from ``load_textures``.
        x: (n, 1, W), pixels from the middle of the surface.
        y: (n, H, 1), pixels from the middle of the surface.
        diameter: (n,), diameter of the surface in pixels.
    """
    colors = torch.empty(len(x), 3, y.shape[1], x.shape[2], device=x.device)
    for patterned, textured in itertools.product((False, True), repeat=2):
        alike = indices((flags[0] == patterned) & (flags[1] == textured))
        if not len(alike):
            continue
        rows = alike.to(x.device)
        its_looks, its_x, its_y = looks[rows], x[rows], y[rows]
        its_colors = its_looks.base[:, :, None, None]
        if patterned:
            share = _pattern(its_looks, its_x, its_y, diameter[rows])[:, None]
            difference = (its_looks.other - its_looks.base)[:, :, None, None]
            its_colors = torch.addcmul(its_colors, difference, share)
        if textured:
            its_colors = _add_texture(its_colors, its_looks, textures, its_x, its_y)
        colors[rows] = its_colors
    return colors


def _pattern(looks: Looks, x: Tensor, y: Tensor, diameter: Tensor) -> Tensor:
    """Return the share of the second color at each pixel: (n, H, W) in 0…1."""
    frequency = 2 * math.pi * (looks.cycles / diameter).clamp(max=1 / SHORTEST_PERIOD)
    across, down = _rotate(x, y, looks.pattern_angle, frequency, looks.phase)
    across, down = across.sin_(), down.sin_()
    a, b, both, less = looks.pattern[:, :, None, None].unbind(1)
    wave = a * across + b * down + both * across * down - less
    return (0.5 + looks.sharpness[:, None, None] * wave).clamp_(0, 1)


def _add_texture(colors: Tensor, looks: Looks, textures: Tensor, x: Tensor, y: Tensor) -> Tensor:
    column, row = _rotate(x, y, looks.texture_angle, looks.texture_scale, looks.texture_offset)
    samples = sample_textures(textures, looks.texture, column, row)
    to_color = looks.texture_color[..., None, None]  # (n, 3, 3, 1, 1)
    colors = colors - TEXTURE_MIDDLE * to_color.sum(2)
    for channel in range(3):
        colors = torch.addcmul(colors, to_color[:, :, channel], samples[:, channel, None])
    return colors


def _rotate(
    x: Tensor, y: Tensor, angle: Tensor, scale: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Rotate and scale coordinates, and then move them by ``offset`` (n, 2): two tensors (n, H, W)."""
    cosine = (angle.cos() * scale)[:, None, None]
    sine = (angle.sin() * scale)[:, None, None]
    across, down = offset[..., None, None].unbind(1)
    return (x * cosine + across) + y * sine, (y * cosine + down) - x * sine
