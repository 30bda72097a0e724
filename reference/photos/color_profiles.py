"""Converting the colors of a photo to sRGB by its embedded ICC profile. The model was trained with sRGB photos."""

import functools
import io
import itertools
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

Converter = Callable[[Image.Image], Image.Image]

# Pillow mode → the color space that a fitting profile names in its header (ICC.1:2010, table 19).
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
# Pillow mode → number of levels per channel at which a profile is tested. Gray is tested at every level.
_PROBES = {"L": 256, "RGB": 17, "CMYK": 7}
_ROUNDING = 1  # levels of 255 by which two makers' sRGB profiles differ
_LEAST_SPAN = 32  # levels of 255; a profile that maps all colors to a smaller range is unusable


def srgb_converter(mode: str, profile: object) -> Converter:
    """Return the function that converts pictures of ``mode`` to RGB pictures in sRGB.

    lcms converts the colors with the perceptual intent, as browsers do. The pixels count as sRGB if there is no
    profile, or one that viewers ignore: it is damaged, belongs to another color space, or maps nearly all colors to
    one.

    Args:
        mode: "L", "RGB", "CMYK" or "LAB".
        profile: the ICC profile that Pillow found, of any type, or None.
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
    """Build lcms' conversion of 8-bit pictures.

    Raises:
        ImageCms.PyCMSError: the profile is unusable, or does not fit these pixels.
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
    """Return whether a profile changes colors and is usable, judged by a grid of colors.

    Profiles of sRGB itself are skipped, because converting by them changes some colors by one level.
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
