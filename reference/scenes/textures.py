"""Textures: squares from photos that come with the libraries, and noise of several octaves."""

import functools
from importlib import resources

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

SIDE = 256  # pixels of a texture

# Photos in the wheels of scikit-learn and scikit-image. The photos flower, astronaut, coffee, chelsea and rocket are
# not used, because the trained network is evaluated on them.
PHOTOS = {
    "sklearn.datasets.images": ("china.jpg",),
    "skimage.data": (
        "brick.png",
        "camera.png",
        "cell.png",
        "clock_motion.png",
        "coins.png",
        "grass.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "moon.png",
        "motorcycle_left.png",
        "page.png",
        "retina.jpg",
        "text.png",
    ),
}
CUTS_PER_PHOTO = 3  # squares at each of two scales
NOISE_TEXTURES = 12


def load_textures(device: torch.device | str) -> Tensor:
    """Load all textures, once per device: float32 (T, 3, SIDE, SIDE), RGB in 0…255.

    The tensor is contiguous if it is transposed to (3, T, …), which ``sample_textures`` needs.
    """
    return _load_textures(torch.device(device))


@functools.cache
def _load_textures(device: torch.device) -> Tensor:
    cuts = [
        cut
        for folder, names in PHOTOS.items()
        for name in names
        for cut in _cuts(_read_photo(folder, name))
    ]
    noise = list(_noise_textures(torch.Generator().manual_seed(0)))
    return torch.stack(cuts + noise, dim=1).clamp_(0, 255).to(device).transpose(0, 1)


def _read_photo(folder: str, name: str) -> Tensor:
    """Read a photo as float32 (3, H, W), enlarged if it is smaller than a texture."""
    with resources.files(folder).joinpath(name).open("rb") as file:
        photo = np.asarray(Image.open(file).convert("RGB"), dtype=np.float32)
    photo = torch.from_numpy(photo).permute(2, 0, 1)
    enlargement = max(1.0, SIDE / min(photo.shape[1:]))
    return _resize(photo, enlargement)


def _resize(photo: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return photo
    size = [max(SIDE, round(side * scale)) for side in photo.shape[1:]]
    resized = functional.interpolate(photo[None], size, mode="bilinear", antialias=True)
    return resized[0]


def _cuts(photo: Tensor) -> list[Tensor]:
    """Return squares spread over a photo, at full and at half scale, which show coarse and fine detail."""
    cuts = []
    for scaled in (photo, _resize(photo, 0.5)):
        spare_rows, spare_columns = scaled.shape[1] - SIDE, scaled.shape[2] - SIDE
        for index in range(CUTS_PER_PHOTO):
            top = round(spare_rows * (index % 2))
            left = round(spare_columns * index / (CUTS_PER_PHOTO - 1))
            cuts.append(scaled[:, top : top + SIDE, left : left + SIDE])
    return cuts


def _noise_textures(generator: torch.Generator) -> Tensor:
    """Return gray clouds. From one octave to the next, the amplitude changes by a ratio that each texture has."""
    clouds = torch.zeros(NOISE_TEXTURES, 1, SIDE, SIDE)
    ratio = torch.linspace(0.4, 1.1, NOISE_TEXTURES)[:, None, None, None]
    for octave in range(7):
        cells = 3 * 2**octave
        lattice = torch.randn(NOISE_TEXTURES, 1, cells, cells, generator=generator)
        size = [SIDE, SIDE]
        smooth = functional.interpolate(lattice, size, mode="bicubic", align_corners=True)
        clouds += smooth * ratio**octave
    clouds[::3] = clouds[::3].abs()  # every third one has creases
    clouds -= clouds.mean((2, 3), keepdim=True)
    clouds /= clouds.std((2, 3), keepdim=True)
    return (128 + 50 * clouds).expand(-1, 3, -1, -1)


def sample_textures(textures: Tensor, index: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Sample textures at given positions, bilinearly. Beyond its edges, a texture is mirrored.

    Args:
        textures: (T, 3, h, w), from ``load_textures``.
        index: int64 (n,), index of the texture.
        column: (n, H, W), in pixels of the texture.
        row: (n, H, W), in pixels of the texture.

    Returns:
        (n, 3, H, W).
    """
    count, channels, height, width = textures.shape
    grid = torch.empty(*column.shape, 2, device=column.device)
    grid[..., 0] = _mirror(column, width)
    # All textures together are one tall picture (1, 3, T*h, w), and all grids are one, so nothing is copied.
    grid[..., 1] = (_mirror(row, height) + (1 + 2 * index - count)[:, None, None]) / count
    tall = textures.transpose(0, 1).reshape(1, channels, count * height, width)
    sampled = functional.grid_sample(tall, grid.view(1, -1, grid.shape[2], 2), align_corners=False)
    n, rows, columns = column.shape
    return sampled.view(channels, n, rows, columns).transpose(0, 1)


def _mirror(position: Tensor, length: int) -> Tensor:
    """Convert a position in pixels to -1…1 in the mirrored texture."""
    from_end = position.remainder(2 * length).sub_(length).abs_()
    # Stay half a pixel away from the edges, where the next texture in the tall picture begins.
    return from_end.clamp_(0.5, length - 0.5).mul_(-2 / length).add_(1)
