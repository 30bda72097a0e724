"""The effects of a camera on a scene: uneven light, blur, exposure, color cast, noise and JPEG loss."""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

from reference.scenes.dice import Dice
from reference.scenes.looks import GRAY
from reference.scenes.rows import indices

NOISE_SIDE = 1536  # pixels; side of the sheet of noise from which pictures take pieces
BLUR_RADIUS = 4  # pixels
MEDIUM_GRAY = 115  # out of 255; about the mean of ordinary photos


def blur(pictures: Tensor, sigma: Tensor) -> None:
    """Blur the pictures with a sigma above 0 by a Gaussian, in place.

    Args:
        pictures: float32 (B, 3, H, W).
        sigma: (B,), in pixels, on the CPU. From 2 pixels on, the blur is computed at half the size.
    """
    for scene in indices(sigma > 0).tolist():
        picture, width = pictures[scene : scene + 1], sigma[scene].item()
        if width < 2:
            pictures[scene : scene + 1] = _gaussian(picture, width)
        else:
            half = functional.avg_pool2d(picture, 2, ceil_mode=True, count_include_pad=False)
            size = picture.shape[2:]
            pictures[scene : scene + 1] = functional.interpolate(
                _gaussian(half, width / 2), size, mode="bilinear"
            )


def _gaussian(picture: Tensor, sigma: float) -> Tensor:
    steps = range(-BLUR_RADIUS, BLUR_RADIUS + 1)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in steps]
    for axis, padding in (
        (3, (BLUR_RADIUS, BLUR_RADIUS, 0, 0)),
        (2, (0, 0, BLUR_RADIUS, BLUR_RADIUS)),
    ):
        padded = functional.pad(picture, padding, mode="replicate")
        blurred = torch.zeros_like(picture)
        for start, weight in enumerate(weights):
            piece = padded.narrow(axis, start, picture.shape[axis])
            blurred.add_(piece, alpha=weight / sum(weights))
        picture = blurred
    return picture


def draw_background_blur(dice: Dice) -> Tensor:
    """Draw the sigma (B,) of the blur behind the objects, which is mostly 0."""
    return torch.where(dice.chance(0.3), dice.log_uniform(0.7, 6), 0.0)


def photograph(pictures: Tensor, dice: Dice) -> Tensor:
    """Apply all effects, and return the finished photos: float32 (B, 3, H, W), whole numbers in 0…255.

    Args:
        pictures: float32 (B, 3, H, W), RGB. They are changed.
        dice: the dice of the B scenes.
    """
    pictures *= _uneven_light(dice, pictures)
    _expose(pictures)
    blur(pictures, torch.where(dice.chance(0.4), dice.log_uniform(0.4, 1.8), 0.0))
    pictures = _tone(pictures, dice)
    _add_noise(pictures, dice)
    _compress(pictures, dice)
    return pictures.round_().clamp_(0, 255)


def _uneven_light(dice: Dice, pictures: Tensor) -> Tensor:
    """Return factors of brightness (B, 1, H, W), larger on one side of the picture than on the other."""
    height, width = pictures.shape[2:]
    slope = (0.2 * dice.normal(2)).clamp(-0.5, 0.5).to(pictures.device)[..., None, None, None]
    x = torch.linspace(-1, 1, width, device=pictures.device)
    y = torch.linspace(-1, 1, height, device=pictures.device)[:, None]
    return (1 + slope[:, 0] * x + slope[:, 1] * y).clamp_(0.2, 1.8)


def _expose(pictures: Tensor) -> None:
    """Bring bright and dark scenes closer to a medium gray, like the metering of a camera."""
    # One by one, because the rounding of a mean must not depend on the batch.
    for picture in pictures:
        brightness = picture.clamp(0, 255).mean().clamp(min=5)
        picture *= ((MEDIUM_GRAY / brightness) ** 0.6).clamp(0.6, 2.5)


def _tone(pictures: Tensor, dice: Dice) -> Tensor:
    """Apply exposure, contrast, white balance, saturation and the tone curve."""
    exposure = 2 ** (0.3 * dice.normal(1))
    balance = exposure * (1 + 0.08 * dice.normal(3))
    saturation = torch.where(dice.chance(0.08), 0.0, 1 + 0.25 * dice.normal())[:, None, None]
    contrast = 1 + 0.15 * dice.normal(1)
    lift = 10 * dice.normal(1) + 128 * (1 - contrast)
    curve = dice.uniform(-0.35, 0.35)
    matrix = saturation * torch.eye(3) + (1 - saturation) * GRAY.expand(3, 3)
    matrix = (matrix * (balance * contrast)[..., None]).to(pictures.device)
    toned = lift.to(pictures.device)[..., None, None].expand(-1, 3, 1, 1)
    for channel in range(3):
        toned = torch.addcmul(toned, matrix[:, :, channel, None, None], pictures[:, channel, None])
    toned.clamp_(0, 255)
    # The curve makes middle tones brighter or darker, and keeps black and white.
    bent = toned * (255 - toned)
    return toned.addcmul_(bent, (curve / 255).to(pictures.device)[:, None, None, None])


def _add_noise(pictures: Tensor, dice: Dice) -> None:
    """Add sensor noise of a random strength, with coarse grain in some photos."""
    height, width = pictures.shape[2:]
    strength = 14 * dice.uniform(0, 1) ** 3
    coarse = dice.chance(0.3)
    colored = dice.uniform(0, 1)
    corner = dice.uniform(0, 1, 4, 2)
    sheet = _noise_sheet(pictures.device, max(NOISE_SIDE, height + 512, width + 512))
    room = torch.tensor([sheet.shape[1] - height, sheet.shape[2] - width])
    corner = (corner * room).long().tolist()
    for scene, picture in enumerate(pictures):
        layer = sheet[int(coarse[scene])]
        pieces = [layer[top : top + height, left : left + width] for top, left in corner[scene]]
        share = colored[scene].item()
        for channel in range(3):
            picture[channel].add_(pieces[channel], alpha=share * strength[scene].item())
        picture.add_(pieces[3], alpha=(1 - share) * strength[scene].item())


@functools.cache
def _noise_sheet(device: torch.device, side: int) -> Tensor:
    """Return normal noise (2, side, side) of standard deviation 1: independent pixels, and coarse grain."""
    fine = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    coarse = functional.avg_pool2d(fine, 3, stride=1, padding=1)
    return torch.cat([fine[0], coarse[0] * 2]).to(device)


def _compress(pictures: Tensor, dice: Dice) -> None:
    """Apply the loss of JPEG to some photos, by rounding the fine detail of each 8×8 block."""
    compressed = dice.chance(0.3)
    step = dice.log_uniform(4, 40)
    height, width = pictures.shape[2:]
    if min(height, width) < 8:
        return
    cosines = _cosines().to(pictures.device)
    # High frequencies are rounded more coarsely, as in the tables of JPEG.
    order = torch.arange(8, device=pictures.device)
    steps = 0.5 + (order[:, None] + order) / 4
    for scene in indices(compressed).tolist():
        whole = pictures[scene, :, : height // 8 * 8, : width // 8 * 8]
        blocks = whole.unflatten(2, (-1, 8)).unflatten(1, (-1, 8)).transpose(2, 3)
        table = steps * step[scene].item()
        spectrum = cosines @ (blocks - 128) @ cosines.T
        rounded = (spectrum / table).round_() * table
        restored = cosines.T @ rounded @ cosines + 128
        whole.copy_(restored.transpose(2, 3).flatten(3, 4).flatten(1, 2))


def _cosines() -> Tensor:
    """Return the matrix (8, 8) of the orthonormal discrete cosine transform."""
    position = torch.arange(8) + 0.5
    cosines = torch.cos(math.pi / 8 * torch.arange(8)[:, None] * position) / 2
    cosines[0] /= math.sqrt(2)
    return cosines
