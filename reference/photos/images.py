"""Reading photos as a photo viewer shows them, and writing pictures."""

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from reference.common.errors import ImageError, OutputError
from reference.common.input_files import require_regular_file
from reference.common.output_files import replacing, require_writable
from reference.photos.photo_decoding import decode
from reference.photos.unread_formats import container_format, unread_format

# Pillow's raster formats. It would pass an EPS file to Ghostscript, which runs it as a program.
PHOTO_FORMATS = (
    *("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "TGA"),
)
EXPECTED = "expected a photo such as JPEG, PNG, WebP, HEIC, TIFF, BMP or GIF"
# Container format → Pillow's name for it, and how to install a reader.
CONTAINERS = {
    "HEIC": ("HEIF", "pip install 'mobile-sam-export[heif]' (or pillow-heif)"),
    "AVIF": ("AVIF", "pip install --force-reinstall pillow (its wheels read it)"),
}

# Suffix → Pillow's format and options. For 108 megapixels, PNG at level 4 takes 5 s instead of 11 s at the
# default level, and 4 % more space. JPEG at quality 95 keeps contours crisp.
OUTPUT_FORMATS = {
    ".png": ("PNG", {"compress_level": 4}),
    ".jpg": ("JPEG", {"quality": 95}),
    ".jpeg": ("JPEG", {"quality": 95}),
}
JPEG_MAX_SIDE = 65_500  # pixels; libjpeg's JPEG_MAX_DIMENSION


def read_image(source: str | Path | Image.Image | np.ndarray) -> np.ndarray:
    """Read a photo as a viewer shows it. docs/photos.md gives the details of each format.

    The photo is turned upright by its EXIF orientation, and its colors are converted to sRGB by its embedded profile.
    Transparent pixels are laid over white, and 16-bit channels are scaled to 8 bits. If a file holds several
    pictures, the first or the primary one is read.

    Args:
        source: a path; a PIL image, whose metadata count too; or a uint8 array of shape (H, W) gray, (H, W, 3) RGB
            or (H, W, 4) RGBA.

    Returns:
        Contiguous uint8 (H, W, 3), RGB in sRGB. An array that has this form already is returned without a copy.

    Raises:
        ImageError: the source is missing, damaged or not a photo, has floating-point pixels, or is an array of
            another shape or dtype. Raw files of cameras do not count as photos.
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
    """Convert uint8 (H, W), (H, W, 3) or (H, W, 4) to contiguous uint8 (H, W, 3)."""
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
    return decode(Image.fromarray(np.ascontiguousarray(array)))


def _from_file(path: str | Path) -> np.ndarray:
    try:
        # Pillow warns from 89 megapixels on, which some cameras exceed, and refuses twice that size. Its warnings
        # about odd metadata do not help somebody who wants a mask either.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _from_named_file(Path(path))
    except Image.DecompressionBombError:
        limit = 2 * Image.MAX_IMAGE_PIXELS
        raise ImageError(
            f"{path}: claims to have more than {limit:,} pixels; scale the photo down first"
        ) from None
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file: check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        if _is_cut_off(error):
            raise ImageError(f"{path}: {_damaged(error)}") from None
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path}: cannot be read ({reason}); {EXPECTED}") from None


def _from_named_file(path: Path) -> np.ndarray:
    if require_regular_file(path, ImageError, EXPECTED).st_size == 0:
        raise ImageError(f"{path}: the file is empty; {EXPECTED}")
    with path.open("rb") as file:
        if what := unread_format(file, path.suffix):
            raise ImageError(f"{path}: {what}")
        container = container_format(file)
        formats = _known_formats(container)
        try:
            with Image.open(file, formats=formats) as image:
                return _decode(image, path)
        except UnidentifiedImageError:
            raise ImageError(f"{path}: {_unidentified(container, formats)}") from None
        except (ImageError, OSError, MemoryError, Image.DecompressionBombError):
            raise
        except Exception as error:  # some of Pillow's readers report a damaged file like this
            raise ImageError(f"{path}: {_damaged(error)}") from error


def _unidentified(container: str | None, formats: Sequence[str]) -> str:
    """Say why no reader of Pillow takes a file, and what the user can do."""
    if container is None:
        return f"not an image that can be read; {EXPECTED}"
    if container == "TIFF":
        return (
            "a damaged TIFF, or one with pixels that are not read, such as floating-point RGB or 12-bit "
            "RGB: save it as 8-bit gray or RGB"
        )
    pillow_name, remedy = CONTAINERS[container]
    if pillow_name in formats:
        return f"a damaged or truncated {container} photo; {EXPECTED}"
    return f"the photo has the format {container}, which needs another package: {remedy}, or export it as JPEG"


def _known_formats(container: str | None) -> list[str]:
    """Return the ``PHOTO_FORMATS`` that this build of Pillow reads, with HEIC if pillow-heif is installed."""
    if container == "HEIC":
        with contextlib.suppress(ImportError):
            from pillow_heif import register_heif_opener

            register_heif_opener()
    Image.init()
    return [name for name in PHOTO_FORMATS if name in Image.OPEN]


def _decode(image: Image.Image, name: str | Path) -> np.ndarray:
    """Decode an opened image. ``name`` stands in error messages."""
    try:
        return decode(image)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:
        # On a damaged file Pillow's decoders raise nearly anything: OSError, SyntaxError, struct.error, zlib.error,
        # IndexError, … All of them mean the same to the user.
        raise ImageError(f"{name}: {_damaged(error)}") from error


def _is_cut_off(error: Exception) -> bool:
    """Return whether an error of Pillow says that the file ends too early."""
    return "truncated" in str(error).lower()


def _damaged(error: Exception) -> str:
    if _is_cut_off(error):
        return "the photo is cut off: copy or download it again"
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"damaged or truncated image ({reason}); {EXPECTED}"


def check_writable(path: str | Path) -> None:
    """Check, before the work begins, that ``write_image`` can write a file.

    Raises:
        OutputError: the suffix is unknown, the file is write-protected, or its folder is missing or not writable.
    """
    path = Path(path)
    _output_format(path)
    require_writable(path)


def write_image(image: Image.Image, path: str | Path) -> None:
    """Write a picture as PNG or JPEG, chosen by the suffix. The file appears only once it is complete.

    Raises:
        OutputError: the suffix is unknown, or the file cannot be written.
    """
    path = Path(path)
    image_format, options = _output_format(path)
    if image_format == "JPEG" and max(image.size) > JPEG_MAX_SIDE:
        raise OutputError(
            f"{path}: the picture's longer side has {max(image.size):,} pixels, and a JPEG's at most "
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
