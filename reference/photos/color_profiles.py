"""Embedded color profiles (ICC): a photo's colors as sRGB, which is what the model knows."""

import functools
import io
import itertools
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

Converter = Callable[[Image.Image], Image.Image]

# Mode of pixels → the color space that a profile for them names in its header (ICC.1:2010, table 19).
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
# Mode → levels of each channel that a profile is tried on. Gray is tried on all that there are.
_PROBES = {"L": 256, "RGB": 17, "CMYK": 7}
_ROUNDING = 1  # levels of 255: lcms' own sRGB differs by as much from that of another maker
_LEAST_SPAN = 32  # levels of 255; a profile that leaves less of all colors shows nothing


def srgb_converter(mode: str, profile: object) -> Converter:
    """What turns pictures of ``mode`` into RGB pictures in sRGB.

    Colors are converted as lcms does it with the perceptual intent, which browsers use too. The pixels
    are taken as sRGB already if there is no profile, and if viewers would ignore it: it is damaged, is
    for another color space than the pixels', or makes nearly one color of all.

    Args:
        mode: "L", "RGB", "CMYK" or "LAB".
        profile: what Pillow found as the ICC profile, which may be anything; None if nothing.
    """
    if mode == "LAB":
        return _lab_converter()
    convert = _converter_of(mode, profile) if isinstance(profile, bytes) else None
    if convert is None or not _changes_colors(mode, convert):
        return _as_stored
    return convert


def _as_stored(picture: Image.Image) -> Image.Image:
    return picture.convert("RGB")


def _transform(mode: str, profile: object) -> Converter:
    """lcms' conversion of 8-bit pictures.

    Raises:
        ImageCms.PyCMSError: the profile says how nothing, or not these pixels, are shown.
    """
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    return lambda picture: ImageCms.applyTransform(picture, transform)


@functools.cache
def _lab_converter() -> Converter:
    return _transform("LAB", ImageCms.createProfile("LAB"))


def _converter_of(mode: str, profile: bytes) -> Converter | None:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        return _transform(mode, opened)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _changes_colors(mode: str, convert: Converter) -> bool:
    """Whether a profile is neither sRGB under another name nor nonsense, judged by a grid of colors.

    sRGB's own profiles are skipped, since the detour costs a level here and there.
    """
    probe = _probe(mode)
    stored, shown = (np.asarray(find(probe), np.int16) for find in (_as_stored, convert))
    if np.ptp(shown) < _LEAST_SPAN:
        return False
    return mode == "CMYK" or int(np.abs(shown - stored).max()) > _ROUNDING


def _probe(mode: str) -> Image.Image:
    levels = np.linspace(0, 255, _PROBES[mode]).round().astype(np.uint8)
    channels = len(Image.new(mode, (1, 1)).getbands())
    colors = np.array(list(itertools.product(levels, repeat=channels)), np.uint8)
    return Image.frombytes(mode, (len(colors), 1), colors.tobytes())
