"""Files that are no photo for this project, told by their content: cameras' raw files above all.

Most raw files are TIFFs whose first picture is a small preview, and some readers take that for the photo.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from PIL.TiffImagePlugin import ImageFileDirectory_v2

_EXPORT = "export it as JPEG, or as TIFF, and use that"
_RAW = "a camera's raw file ({}), of which only a preview could be shown"

# Of either byte order, and as some write them by mistake; "+" is BigTIFF.
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+")
_SIGNATURES = (  # where, which bytes, and what the file is
    (0, b"II*\0\x10\0\0\0CR\x02", _RAW.format("Canon CR2")),
    (4, b"ftypcrx ", _RAW.format("Canon CR3")),
    (0, b"II\x1a\0\0\0HEAPCCDR", _RAW.format("Canon CRW")),
    (0, b"FUJIFILMCCD-RAW", _RAW.format("Fujifilm RAF")),
    (0, b"IIRO", _RAW.format("Olympus ORF")),
    (0, b"IIRS", _RAW.format("Olympus ORF")),
    (0, b"MMOR", _RAW.format("Olympus ORF")),
    (0, b"IIU\0", _RAW.format("Panasonic RW2")),
    (0, b"\0MRM", _RAW.format("Minolta MRW")),
    (0, b"FOVb", _RAW.format("Sigma X3F")),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF document"),
    (4, b"ftypqt  ", "a video"),
    (4, b"ftypisom", "a video"),
    (4, b"ftypmp4", "a video"),
)
_HEADER = 64  # bytes that hold every signature, and the brands of an ISO base media file

# Names of raw files that are TIFFs, and that a maker of no such mark may have written.
_RAW_SUFFIXES = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".dcr", ".dcs", ".dng", ".erf", ".fff", ".gpr", ".iiq"),
        *(".kdc", ".mef", ".mos", ".nef", ".nrw", ".pef", ".rwl", ".sr2", ".srf", ".srw"),
    )
)
_COLOR_FILTER_ARRAY, _LINEAR_RAW = 32_803, 34_892  # photometric interpretations (TIFF/EP, DNG)
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 255, 262, 330, 50_706
_REDUCED, _OLD_REDUCED = 1, 2  # in _NEW_SUBFILE_TYPE a bit, in _SUBFILE_TYPE the value
_MOST_DIRECTORIES = 16  # that are looked at; a raw file has fewer than ten

_WANTED = (_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION)

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}

Directory = Mapping[int, object]  # tag → value, of the tags in _WANTED at least


def unread_format(file: BinaryIO, suffix: str) -> str | None:
    """What a file is that is no photo to be read, and how to go on; None if it may be one.

    Args:
        file: open; it is left at its start.
        suffix: of its name, such as ".NEF".
    """
    file.seek(0)
    header = file.read(_HEADER)
    try:
        for start, signature, what in _SIGNATURES:
            if header[start:].startswith(signature):
                return f"{what}: {_EXPORT}"
        if not header.startswith(_TIFF_STARTS):
            return None
        if suffix.lower() in _RAW_SUFFIXES:
            return f"{_RAW.format(suffix.lstrip('.').upper())}: {_EXPORT}"
        return raw_tiff(list(directories(file)))
    finally:
        file.seek(0)


def raw_tiff(found: list[Directory]) -> str | None:
    """What a TIFF is if its first picture is not the photo; None if it is.

    A TIFF of several pages, or of a picture and its reductions, is a photo: the first page. So is a
    reduction that is all there is.

    Args:
        found: its directories, the first picture's first; there may be none.
    """
    if any(_DNG_VERSION in directory for directory in found):
        return f"{_RAW.format('DNG')}: {_EXPORT}"
    if any(d.get(_PHOTOMETRIC) in (_COLOR_FILTER_ARRAY, _LINEAR_RAW) for d in found):
        return f"{_RAW.format('a TIFF of what the sensor saw')}: {_EXPORT}"
    if found and _is_reduced(found[0]) and (len(found) > 1 or _SUB_IFDS in found[0]):
        return (
            "a TIFF whose first picture is only a reduced preview of another (NewSubfileType 1), as "
            f"raw files of cameras have it: {_EXPORT}"
        )
    return None


def _is_reduced(directory: Directory) -> bool:
    new = directory.get(_NEW_SUBFILE_TYPE)
    return (isinstance(new, int) and new & _REDUCED != 0) or directory.get(
        _SUBFILE_TYPE
    ) == _OLD_REDUCED


def directories(file: BinaryIO) -> Iterator[Directory]:
    """A TIFF's directories: each with its sub-directories after it, up to ``_MOST_DIRECTORIES``.

    The rest of a damaged file is left out: whoever decodes it will say so. The file is left where it was.
    """
    place = file.tell()
    # Pillow's readers let nearly anything escape on a damaged file.
    with contextlib.suppress(Exception):
        yield from _directories(file)
    file.seek(place)


def _directories(file: BinaryIO) -> Iterator[Directory]:
    file.seek(0)
    header = file.read(8)
    if b"+" in header[:4]:
        header += file.read(8)
    pending, seen = [ImageFileDirectory_v2(header).next], {0}
    while pending and len(seen) <= _MOST_DIRECTORIES:
        offset = pending.pop(0)
        if offset in seen:
            continue
        seen.add(offset)
        directory = ImageFileDirectory_v2(header)
        file.seek(offset)
        directory.load(file)
        yield {tag: directory.get(tag) for tag in _WANTED if tag in directory}
        below = directory.get(_SUB_IFDS, ())
        below = below if isinstance(below, tuple) else (below,)
        pending = [item for item in below if isinstance(item, int)] + [directory.next] + pending


def container_format(file: BinaryIO) -> str | None:
    """ "HEIC" or "AVIF" if the first bytes of a file say so, else None (ISO/IEC 23008-12)."""
    file.seek(0)
    header = file.read(_HEADER)
    if header[4:8] != b"ftyp":
        return None
    size = int.from_bytes(header[:4], "big")
    brands = {header[8:12], *(header[i : i + 4] for i in range(16, min(size, _HEADER), 4))}
    for name, known in (("AVIF", _AVIF_BRANDS), ("HEIC", _HEIC_BRANDS)):
        if brands & known:
            return name
    return None
