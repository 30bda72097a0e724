"""Photos in, pictures out: what a photo viewer would show, and files that appear only complete."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from reference.errors import ImageError, OutputError
from reference.input_files import require_regular_file
from reference.output_files import replacing, require_writable

# Raster formats only: Pillow would hand an EPS file to Ghostscript, which runs it as a program.
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA")
EXPECTED = "expected a photo such as JPEG, PNG, WebP, TIFF, BMP or GIF"

# Suffix → Pillow's format and options. For 108 megapixels, PNG at level 4 takes 5 s in place of the
# default level's 11, and 4 % more space. JPEG at quality 95 keeps contours crisp.
OUTPUT_FORMATS = {
    ".png": ("PNG", {"compress_level": 4}),
    ".jpg": ("JPEG", {"quality": 95}),
    ".jpeg": ("JPEG", {"quality": 95}),
}
JPEG_MAX_SIDE = 65_500  # pixels; libjpeg's JPEG_MAX_DIMENSION

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

# Pixels converted at a time: a photo of 108 megapixels then lies in memory twice, not four times.
STRIP_PIXELS = 4_000_000


def read_image(source: str | Path | Image.Image | np.ndarray) -> np.ndarray:
    """Read a photo as a viewer would show it.

    The EXIF orientation is applied, transparency lies over white, 16-bit grey is scaled to 8 bits,
    and of an animation the first frame counts. Colour profiles are not applied.

    Args:
        source: a file, a PIL image, or a uint8 array: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA.

    Returns:
        Contiguous uint8 (H, W, 3), RGB. An array that is one already is returned, not copied.

    Raises:
        ImageError: the source is missing, damaged, not a photo, or an array of another kind.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _decode(source, getattr(source, "filename", "") or "the PIL image")
    if isinstance(source, (str, Path)):
        return _from_file(source)
    raise ImageError(
        f"a photo of type {type(source).__name__}: expected a path, a PIL image or a numpy array"
    )


def _from_array(array: np.ndarray) -> np.ndarray:
    """uint8 (H, W), (H, W, 3) or (H, W, 4) → contiguous (H, W, 3)."""
    kind = f"an image array of shape {array.shape} and dtype {array.dtype}"
    if array.dtype != np.uint8:
        raise ImageError(f"{kind}: expected uint8; scale it to 0…255 and use .astype(numpy.uint8)")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        hint = "; move the channels last" if array.ndim == 3 and array.shape[0] in (3, 4) else ""
        raise ImageError(f"{kind}: expected (H, W), (H, W, 3) or (H, W, 4){hint}")
    if array.size == 0:
        raise ImageError(f"{kind} has no pixels: expected at least 1×1")
    if array.ndim == 3 and array.shape[2] == 3:
        return np.ascontiguousarray(array)
    return _pixels(Image.fromarray(np.ascontiguousarray(array)))


def _from_file(path: str | Path) -> np.ndarray:
    try:
        _refuse_empty(Path(path))
        # Pillow warns from 89 megapixels on, which some cameras exceed, and refuses twice that.
        # Its remarks on odd metadata are of no use to somebody who wants a mask either.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_known_formats()) as image:
                return _decode(image, path)
    except Image.DecompressionBombError:
        limit = 2 * Image.MAX_IMAGE_PIXELS
        raise ImageError(
            f"{path}: claims to have more than {limit:,} pixels; scale the photo down first"
        ) from None
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not an image that can be read; {EXPECTED}") from None
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file; {EXPECTED}") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path}: cannot be read ({reason}); {EXPECTED}") from None


def _refuse_empty(path: Path) -> None:
    if require_regular_file(path, ImageError, EXPECTED).st_size == 0:
        raise ImageError(f"{path}: the file is empty; {EXPECTED}")


def _known_formats() -> list[str]:
    """``PHOTO_FORMATS`` without those that this build of Pillow lacks."""
    Image.init()
    return [name for name in PHOTO_FORMATS if name in Image.OPEN]


def _decode(image: Image.Image, name: str | Path) -> np.ndarray:
    """Decode an opened image; ``name`` is what an error message calls it."""
    try:
        image.load()
        return np.ascontiguousarray(_upright(_pixels(image), image))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's decoders let nearly anything escape on a damaged file: OSError, SyntaxError,
        # struct.error, zlib.error, IndexError, …; to the person who sees it they mean the same.
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name}: damaged or truncated image ({reason}); {EXPECTED}") from error


def _upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Turn (H, W, 3) as the EXIF says. (A TIFF, Pillow has turned already, and dropped the tag.)"""
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF around sound pixels: shown as stored, as viewers do
        return pixels
    return UPRIGHT.get(orientation, lambda stored: stored)(pixels)


def _pixels(image: Image.Image) -> np.ndarray:
    """A loaded image of any mode → uint8 (H, W, 3), as stored, strip by strip."""
    if image.width == 0 or image.height == 0:
        raise ImageError(f"has {image.width}×{image.height} pixels: expected at least 1×1")
    to_rgb = _rgb_converter(image)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        pixels[top:bottom] = to_rgb(image.crop((0, top, image.width, bottom)))
    return pixels


def _rgb_converter(image: Image.Image) -> Callable[[Image.Image], Image.Image | np.ndarray]:
    """What turns a strip of ``image`` into uint8 (h, w, 3), or (h, w, 1) for numpy to repeat."""
    if image.mode.startswith("I"):  # "I;16" and its byte orders, and 32-bit "I"
        return _deep_grey_converter(image)
    if image.mode == "F":
        raise ImageError("has floating-point pixels: expected 8 or 16 bits a channel")
    if image.has_transparency_data:
        return _over_white
    return lambda strip: strip.convert("RGB")


def _deep_grey_converter(image: Image.Image) -> Callable[[Image.Image], np.ndarray]:
    """Scale 16-bit grey by its full range, as viewers do; wider integers by the range they span."""
    low, high = 0, 65_535
    if image.mode == "I":
        darkest, brightest = image.getextrema()
        if darkest < low or brightest > high:
            low, high = darkest, max(brightest, darkest + 1)

    def to_grey(strip: Image.Image) -> np.ndarray:
        grey = np.rint((np.asarray(strip, np.float64) - low) * (255 / (high - low)))
        return grey.astype(np.uint8)[..., None]

    return to_grey


def _over_white(strip: Image.Image) -> Image.Image:
    rgba = strip.convert("RGBA")
    white = Image.new("RGB", strip.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def check_writable(path: str | Path) -> None:
    """Refuse at once what ``write_image`` would refuse after all the work is done.

    Raises:
        OutputError: an unknown suffix, a protected file, a folder that is missing or takes no file.
    """
    path = Path(path)
    _output_format(path)
    require_writable(path)


def write_image(image: Image.Image, path: str | Path) -> None:
    """Write a picture as PNG or JPEG, by suffix; the file appears only once it is complete.

    Raises:
        OutputError: the suffix is unknown, or the file cannot be written.
    """
    path = Path(path)
    image_format, options = _output_format(path)
    if image_format == "JPEG" and max(image.size) > JPEG_MAX_SIDE:
        raise OutputError(
            f"{path}: the picture has {max(image.size):,} pixels a side, a JPEG at most "
            f"{JPEG_MAX_SIDE:,}; write a .png"
        )
    with replacing(path) as draft:
        image.save(draft, image_format, **options)


def _output_format(path: Path) -> tuple[str, dict]:
    try:
        return OUTPUT_FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(OUTPUT_FORMATS)
        raise OutputError(
            f"{path}: no picture format has the suffix '{path.suffix}'; expected {known}"
        ) from None
