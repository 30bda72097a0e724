"""Decoding a picture that Pillow opened to the pixels that a viewer shows."""

from collections.abc import Callable

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from reference.common.errors import ImageError
from reference.photos.color_profiles import srgb_converter
from reference.photos.tiff_photos import bits_of, is_unsigned, load_tiff

# The pixels of a strip in mode "L", "RGB", "CMYK" or "LAB"; and their opacity, or None if all are opaque.
_Layers = tuple[Image.Image, Image.Image | None]

EXIF_ORIENTATION = 0x0112
# EXIF orientation → the rotation or flip that turns the stored rows upright (EXIF 2.3, section 4.6.4).
UPRIGHT = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels),
}

# Pixels that are converted at a time. A photo of 108 megapixels is then in memory twice instead of four times.
STRIP_PIXELS = 4_000_000

# Pillow's name for the rows of a gray PNG of fewer than 8 bits → the largest value stored in it.
_SHALLOW_GRAY = {"L;2": 3, "L;4": 15}


def decode(image: Image.Image) -> np.ndarray:
    """Decode an opened picture, loaded or not, to contiguous uint8 (H, W, 3), RGB in sRGB and upright.

    Raises:
        ImageError: the pixels have no meaning as a photo, or Pillow has misread them.
        Exception: any error that Pillow's decoders raise on a damaged file.
    """
    stored_as = _stored_rows(image)
    if isinstance(image, TiffImageFile):
        load_tiff(image)
    else:
        image.load()
    return np.ascontiguousarray(_upright(_pixels(image, stored_as), image))


def _stored_rows(image: Image.Image) -> str | None:
    """Return Pillow's name for the rows of a PNG that is not loaded yet, such as "L;4" for 4-bit gray."""
    tiles = getattr(image, "tile", None)
    return tiles[0][3] if image.format == "PNG" and tiles else None


def _upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Turn (H, W, 3) pixels upright by the EXIF orientation.

    Pillow has already turned the pixels of a TIFF or HEIC, and then reports no orientation for them.
    """
    try:
        orientation = _exif(image).get(EXIF_ORIENTATION, 1)
    except Exception:  # like viewers, show sound pixels as stored if the EXIF is damaged
        return pixels
    return UPRIGHT.get(orientation, lambda stored: stored)(pixels)


def _exif(image: Image.Image) -> Image.Exif:
    """Return the EXIF data.

    Pillow adds an orientation from XMP if the EXIF has none. It also puts the rotation of an AVIF file there.
    """
    if image.format not in ("AVIF", "HEIF"):
        return image.getexif()
    # Without XMP, because only the rotation in the file itself applies to these formats.
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))
    return exif


def _pixels(image: Image.Image, stored_as: str | None) -> np.ndarray:
    """Convert a loaded image of any mode to uint8 (H, W, 3), in stored orientation, strip by strip."""
    if image.width == 0 or image.height == 0:
        raise ImageError(f"has {image.width}×{image.height} pixels: expected at least 1×1")
    split = _splitter(image, stored_as)
    to_srgb = srgb_converter(_layer_mode(image.mode), image.info.get("icc_profile"))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        colors, opacity = split(image.crop((0, top, image.width, bottom)))
        pixels[top:bottom] = _over_white(to_srgb(colors), opacity)
    return pixels


def _layer_mode(mode: str) -> str:
    """Return the mode of the colors that an image of ``mode`` is split into."""
    if mode in ("1", "L", "LA", "La") or mode.startswith("I"):
        return "L"
    return mode if mode in ("CMYK", "LAB") else "RGB"


def _splitter(image: Image.Image, stored_as: str | None) -> Callable[[Image.Image], _Layers]:
    """Return the function that splits a strip of ``image`` into colors and opacity."""
    if image.mode.startswith("I"):  # "I;16" in any byte order, and 32-bit "I"
        return _deep_gray_splitter(image)
    if image.mode == "F":
        raise ImageError(
            "has floating-point pixels: expected 8 or 16 bits per channel; save it as one of these"
        )
    mode = _layer_mode(image.mode)
    if image.has_transparency_data and mode in ("L", "RGB"):
        transparency = _transparent_color(image, stored_as)
        return lambda strip: _split_transparent(strip, mode, transparency)
    return lambda strip: (strip if strip.mode == mode else strip.convert(mode), None)


def _split_transparent(strip: Image.Image, mode: str, transparency: object) -> _Layers:
    if transparency is not None:
        strip.info["transparency"] = transparency
    if strip.mode == "La":  # Pillow converts this mode to "LA" only
        strip = strip.convert("LA")
    rgba = strip.convert("RGBA")
    return rgba.getchannel("R") if mode == "L" else rgba.convert("RGB"), rgba.getchannel("A")


def _transparent_color(image: Image.Image, stored_as: str | None) -> object:
    """Return the transparent color of a PNG in 8 bits, because Pillow compares it with 8-bit pixels.

    Pillow (13.0) itself returns the color in the bit depth of the file.
    """
    color = image.info.get("transparency")
    if isinstance(color, int) and color <= _SHALLOW_GRAY.get(stored_as, -1):
        return color * 255 // _SHALLOW_GRAY[stored_as]
    if isinstance(color, tuple) and stored_as == "RGB;16B":
        return tuple(value >> 8 for value in color)
    return color


def _deep_gray_splitter(image: Image.Image) -> Callable[[Image.Image], _Layers]:
    values_of = _deep_values(image)
    low, high = _deep_range(image, values_of)
    transparent = image.info.get("transparency")

    def split(strip: Image.Image) -> _Layers:
        values = values_of(strip)
        scaled = (values.astype(np.float64) - low) * (255 / (high - low))
        gray = Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8))
        if not isinstance(transparent, int):
            return gray, None
        return gray, Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))

    return split


def _deep_values(image: Image.Image) -> Callable[[Image.Image], np.ndarray]:
    """Return the function that reads the numbers of a strip.

    Pillow has no unsigned 32-bit mode, and returns such numbers of a TIFF as signed ones.
    """
    if image.mode == "I" and isinstance(image, TiffImageFile) and is_unsigned(image):
        return lambda strip: np.asarray(strip).view(np.uint32)
    return np.asarray


def _deep_range(
    image: Image.Image, values_of: Callable[[Image.Image], np.ndarray]
) -> tuple[int, int]:
    """Return the numbers that are shown as black and as white.

    16-bit gray has its full range, as in viewers, or 12 bits if a TIFF says so. If it is signed, the range is that of
    the positive numbers. Wider integers count as 8 or 16 bits if they fit. If they do not fit, or if some are negative,
    the darkest pixel is black and the brightest is white.
    """
    if image.mode != "I":
        bits = bits_of(image) if isinstance(image, TiffImageFile) else 16
        return 0, (1 << bits) - 1
    values = values_of(image)
    darkest, brightest = int(values.min()), int(values.max())
    if darkest < 0 or brightest > 65_535:
        return darkest, max(brightest, darkest + 1)
    if isinstance(image, TiffImageFile) and bits_of(image) == 16 and not is_unsigned(image):
        return 0, 32_767
    return (0, 255) if brightest <= 255 and image.format not in ("PNG", "PPM") else (0, 65_535)


def _over_white(colors: Image.Image, opacity: Image.Image | None) -> Image.Image:
    if opacity is None:
        return colors
    white = Image.new("RGB", colors.size, "white")
    white.paste(colors, mask=opacity)
    return white
