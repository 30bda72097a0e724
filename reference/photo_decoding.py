"""The pixels of a picture that Pillow opened, as a viewer would show them."""

from collections.abc import Callable

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from reference.color_profiles import srgb_converter
from reference.errors import ImageError
from reference.unread_formats import directories, raw_tiff

# A strip of a picture → its pixels in mode "L", "RGB", "CMYK" or "LAB", and their opacity, or None
# where all are opaque.
_Layers = tuple[Image.Image, Image.Image | None]

EXIF_ORIENTATION = 0x0112
# EXIF orientation → the turn that brings the stored rows upright (EXIF 2.3, section 4.6.4).
UPRIGHT = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels),
}
_LYING = (5, 6, 7, 8)  # orientations that exchange width and height

# Pixels converted at a time: a photo of 108 megapixels then lies in memory twice, not four times.
STRIP_PIXELS = 4_000_000

# Tags of a TIFF, and values of theirs.
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT, _PLANAR_CONFIGURATION = 258, 259, 262, 339, 284
_STRIP_BYTES, _TILE_BYTES = 279, 325
_UNCOMPRESSED, _WHITE_IS_ZERO, _YCBCR, _UNSIGNED, _SIGNED, _SEPARATE_PLANES = 1, 0, 6, 1, 2, 2
_RESAVE = "save it as 8-bit gray or RGB"
# Gray PNGs of less than 8 bits, by Pillow's name for their rows → the largest stored value.
_SHALLOW_GRAY = {"L;2": 3, "L;4": 15}


def decode(image: Image.Image) -> np.ndarray:
    """An opened picture, loaded or not → contiguous uint8 (H, W, 3), RGB in sRGB, upright.

    Raises:
        ImageError: its pixels have no meaning as a photo, or Pillow has misread them.
        Exception: whatever Pillow's decoders let escape on a damaged file.
    """
    if isinstance(image, TiffImageFile):
        _refuse_preview(image)
    stored_as = _stored_rows(image)
    _load(image)
    return np.ascontiguousarray(_upright(_pixels(image, stored_as), image))


def _refuse_preview(image: TiffImageFile) -> None:
    """Refuse the first picture of a raw file; whoever chose another page knows what it is."""
    if image.tell() == 0:
        is_open = image.tile and image.fp is not None
        # Of one that is loaded, Pillow still knows the first directory's tags.
        found = directories(image.fp) if is_open else [dict.fromkeys(image.tag_v2, ())]
        if message := raw_tiff(found):
            raise ImageError(f"is {message}")


def _stored_rows(image: Image.Image) -> str | None:
    """Pillow's name for the rows of a PNG that is not loaded yet: "L;4" is gray of 4 bits."""
    tiles = getattr(image, "tile", None)
    return tiles[0][3] if image.format == "PNG" and tiles else None


def _load(image: Image.Image) -> None:
    """Load a picture, but never let Pillow map a TIFF into memory.

    Up to 13.0, at least, it maps an uncompressed one with the width and height that it has once it is
    turned upright, and scrambles orientations 5 to 8. It maps what has a file's name.
    """
    if not isinstance(image, TiffImageFile):
        image.load()
    elif image.tile:
        name, image.filename = image.filename, ""
        try:
            image.load()
        finally:
            image.filename = name
    elif getattr(image, "map", None) is not None and _lies(image.filename):
        raise ImageError(
            "was scrambled by Pillow as it was loaded, as uncompressed TIFFs with a rotation are: pass "
            "the path, or the PIL image before anything loads it"
        )


def _lies(path: str) -> bool:
    with Image.open(path, formats=["TIFF"]) as image:
        return image.tag_v2.get(EXIF_ORIENTATION) in _LYING


def _upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Turn (H, W, 3) as the EXIF says. (What lies in a TIFF or HEIC is turned by then, and says so.)"""
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF around sound pixels: shown as stored, as viewers do
        return pixels
    return UPRIGHT.get(orientation, lambda stored: stored)(pixels)


def _pixels(image: Image.Image, stored_as: str | None) -> np.ndarray:
    """A loaded image of any mode → uint8 (H, W, 3), as stored, strip by strip."""
    if image.width == 0 or image.height == 0:
        raise ImageError(f"has {image.width}×{image.height} pixels: expected at least 1×1")
    if isinstance(image, TiffImageFile):
        _refuse_misread(image)
    split = _splitter(image, stored_as)
    to_srgb = srgb_converter(_layer_mode(image.mode), image.info.get("icc_profile"))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        colors, opacity = split(image.crop((0, top, image.width, bottom)))
        pixels[top:bottom] = _over_white(to_srgb(colors), opacity)
    return pixels


def _refuse_misread(image: TiffImageFile) -> None:
    """Refuse what Pillow (13.0) gets wrong without saying so."""
    tags = image.tag_v2
    compressed = tags.get(_COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED
    photometric = tags.get(_PHOTOMETRIC)
    signed = _SIGNED in tags.get(_SAMPLE_FORMAT, ())
    if signed and image.mode not in ("I", "F"):
        raise ImageError(f"has signed pixels, which no photo has: {_RESAVE}")
    if signed and compressed and tags.prefix == b"MM":
        raise ImageError(f"has compressed signed pixels of big-endian byte order: {_RESAVE}")
    deep = max(tags.get(_BITS, (1,))) > 8
    in_planes = tags.get(_PLANAR_CONFIGURATION) == _SEPARATE_PLANES
    if in_planes and ((deep and not compressed) or image.mode in ("LA", "La", "PA", "LAB")):
        raise ImageError(f"has channels in separate planes: {_RESAVE}")
    if photometric == _WHITE_IS_ZERO and image.mode.startswith("I;16"):
        raise ImageError(f"has 16-bit gray pixels of which 0 is white: {_RESAVE}")
    if photometric == _YCBCR and image.mode == "YCbCr" and not compressed:
        stored = tags.get(_STRIP_BYTES, tags.get(_TILE_BYTES, ()))
        if sum(stored) < 3 * image.width * image.height:
            raise ImageError(f"has subsampled colors without compression: {_RESAVE}")


def _layer_mode(mode: str) -> str:
    """The mode of the layers that an image of ``mode`` is split into."""
    if mode in ("1", "L", "LA", "La") or mode.startswith("I"):
        return "L"
    return mode if mode in ("CMYK", "LAB") else "RGB"


def _splitter(image: Image.Image, stored_as: str | None) -> Callable[[Image.Image], _Layers]:
    """What takes a strip of ``image`` apart into colors and opacity."""
    if image.mode.startswith("I"):  # "I;16" and its byte orders, and 32-bit "I"
        return _deep_gray_splitter(image)
    if image.mode == "F":
        raise ImageError(
            "has floating-point pixels: expected 8 or 16 bits a channel; convert it to one of them"
        )
    mode = _layer_mode(image.mode)
    if image.has_transparency_data and mode in ("L", "RGB"):
        transparency = _transparent_color(image, stored_as)
        return lambda strip: _split_transparent(strip, mode, transparency)
    return lambda strip: (strip if strip.mode == mode else strip.convert(mode), None)


def _split_transparent(strip: Image.Image, mode: str, transparency: object) -> _Layers:
    if transparency is not None:
        strip.info["transparency"] = transparency
    if strip.mode == "La":  # which converts to nothing else
        strip = strip.convert("LA")
    rgba = strip.convert("RGBA")
    return rgba.getchannel("R") if mode == "L" else rgba.convert("RGB"), rgba.getchannel("A")


def _transparent_color(image: Image.Image, stored_as: str | None) -> object:
    """A PNG's one transparent color in 8 bits, which are what Pillow compares it with.

    Pillow (13.0) gives it as the file has it, in the bits of the file.
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
    """The numbers in a strip: Pillow has no unsigned 32 bits, and gives those of a TIFF as signed."""
    tags = getattr(image, "tag_v2", {})
    unsigned = set(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))) == {_UNSIGNED}
    if image.mode == "I" and tags and unsigned and max(tags.get(_BITS, (1,))) == 32:
        return lambda strip: np.asarray(strip).view(np.uint32)
    return np.asarray


def _deep_range(
    image: Image.Image, values_of: Callable[[Image.Image], np.ndarray]
) -> tuple[int, int]:
    """What is black, and what is white.

    16-bit gray has its full range, as viewers have it, or that of the 12 bits that a TIFF says it holds.
    Wider integers are of 8 bits or 16 if they fit; else white is the brightest, and black the darkest.
    """
    if image.mode != "I":
        bits = max(getattr(image, "tag_v2", {}).get(_BITS, (16,)))
        return 0, (1 << min(bits, 16)) - 1
    values = values_of(image)
    darkest, brightest = int(values.min()), int(values.max())
    if darkest < 0 or brightest > 65_535:
        return darkest, max(brightest, darkest + 1)
    return (0, 255) if brightest <= 255 and image.format not in ("PNG", "PPM") else (0, 65_535)


def _over_white(colors: Image.Image, opacity: Image.Image | None) -> Image.Image:
    if opacity is None:
        return colors
    white = Image.new("RGB", colors.size, "white")
    white.paste(colors, mask=opacity)
    return white
