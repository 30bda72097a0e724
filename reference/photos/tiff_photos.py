"""Loading TIFF files with Pillow, and refusing those that Pillow (13.0) silently decodes wrong."""

import contextlib
import os
import sys
from collections.abc import Iterator

from PIL.TiffImagePlugin import TiffImageFile

from reference.common.errors import ImageError
from reference.photos.unread_formats import ORIENTATION, directories, raw_tiff

# TIFF tags, and then some of their values.
_BITS, _COMPRESSION, _PHOTOMETRIC = 258, 259, 262
_STRIP_BYTES, _PLANAR_CONFIGURATION, _COLOR_MAP, _TILE_BYTES, _SAMPLE_FORMAT = (
    279,
    284,
    320,
    325,
    339,
)
_UNCOMPRESSED, _WHITE_IS_ZERO, _YCBCR, _SEPARATE_PLANES, _SIGNED = 1, 0, 6, 2, 2
_LYING = frozenset((5, 6, 7, 8))  # orientations that exchange width and height

_RESAVE = "save it as 8-bit gray or RGB"
_STDERR = 2  # file descriptor


def load_tiff(image: TiffImageFile) -> None:
    """Load a TIFF, turned upright. A TIFF that is already loaded is only checked.

    Raises:
        ImageError: the picture is the preview of a raw file, or Pillow misreads or has scrambled its pixels.
        Exception: any error that Pillow's decoder raises on a damaged file.
    """
    _refuse_preview(image)
    if image.tile:
        try:
            with _no_mapping(image), _quiet_libtiff():
                image.load()
        except ValueError as error:
            if "unknown raw mode" not in str(error):
                raise
            raise ImageError(
                f"has pixels in a layout that Pillow does not read: {_RESAVE}"
            ) from None
    elif _was_mapped_lying(image):
        raise ImageError(
            "was scrambled when Pillow loaded it, like every uncompressed TIFF with a rotation: pass "
            "the path, or the PIL image before it is loaded"
        )
    _refuse_misread(image)
    _mend_palette(image)


def bits_of(image: TiffImageFile) -> int:
    """Return the number of bits per channel; the largest, if the channels differ."""
    return max(image.tag_v2.get(_BITS, (1,)))


def is_unsigned(image: TiffImageFile) -> bool:
    """Return whether the pixels of a TIFF are unsigned. In mode "I", Pillow returns them as signed integers."""
    return _SIGNED not in image.tag_v2.get(_SAMPLE_FORMAT, ())


def _refuse_preview(image: TiffImageFile) -> None:
    """Refuse the first picture of a raw file. A caller who chose another page knows what it shows."""
    if image.tell() == 0:
        is_open = image.tile and image.fp is not None
        # After loading, Pillow still has the tags of the first directory.
        found = directories(image.fp) if is_open else [dict.fromkeys(image.tag_v2, ())]
        if message := raw_tiff(found):
            raise ImageError(f"is {message}")


@contextlib.contextmanager
def _no_mapping(image: TiffImageFile) -> Iterator[None]:
    """Keep Pillow from mapping the file into memory, which it does if it knows the file's name.

    Pillow maps an uncompressed file with the width and height that the upright picture has. This scrambles
    orientations 5 to 8.
    """
    name, image.filename = image.filename, ""
    try:
        yield
    finally:
        image.filename = name


@contextlib.contextmanager
def _quiet_libtiff() -> Iterator[None]:
    """Keep libtiff from writing errors directly to stderr. The exception has the same text."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    try:
        saved = os.dup(_STDERR)
    except OSError:  # stderr is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  os.devnull is a text
            os.dup2(nowhere.fileno(), _STDERR)
        yield
    finally:
        os.dup2(saved, _STDERR)
        os.close(saved)


def _was_mapped_lying(image: TiffImageFile) -> bool:
    """Return whether Pillow mapped an image that lies on its side.

    After loading, the image's tags no longer tell the orientation, but the mapped file does.
    """
    mapped = getattr(image, "map", None)
    if mapped is None:
        return False
    found = directories(mapped)
    pages = found[:1] if image.tell() == 0 else found
    return any(_LYING.intersection(page.get(ORIENTATION, ())) for page in pages)


def _refuse_misread(image: TiffImageFile) -> None:
    tags = image.tag_v2
    compressed = tags.get(_COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED
    photometric = tags.get(_PHOTOMETRIC)
    if not is_unsigned(image) and image.mode not in ("I", "F"):
        raise ImageError(f"has signed pixels, but photos have unsigned ones: {_RESAVE}")
    if not is_unsigned(image) and compressed and tags.prefix == b"MM":
        raise ImageError(f"has compressed signed pixels of big-endian byte order: {_RESAVE}")
    in_planes = tags.get(_PLANAR_CONFIGURATION) == _SEPARATE_PLANES
    deep = bits_of(image) > 8 and not compressed
    if in_planes and (deep or image.mode in ("LA", "La", "PA", "LAB")):
        raise ImageError(f"has channels in separate planes: {_RESAVE}")
    if photometric == _WHITE_IS_ZERO and image.mode.startswith("I;16"):
        raise ImageError(f"has 16-bit gray pixels where 0 is white: {_RESAVE}")
    if photometric == _YCBCR and image.mode == "YCbCr" and not compressed:
        stored = tags.get(_STRIP_BYTES, tags.get(_TILE_BYTES, ()))
        if sum(stored) < 3 * image.width * image.height:
            raise ImageError(f"has subsampled colors without compression: {_RESAVE}")


def _mend_palette(image: TiffImageFile) -> None:
    """Read palette colors of 0 to 255 as 8-bit colors, like libtiff.

    TIFF defines colors up to 65,535, but some programs write them only up to 255. Pillow shows all of those as black.
    """
    colors = image.tag_v2.get(_COLOR_MAP, ())
    if image.mode in ("P", "PA") and 0 < max(colors, default=0) < 256:
        image.putpalette(bytes(colors), "RGB;L")
