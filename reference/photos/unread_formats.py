"""Recognizing files that are not photos by their content, above all the raw files of cameras.

Most raw files are TIFFs whose first picture is a small preview, and some readers take the preview for the photo.
"""

import contextlib
import struct
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple

_EXPORT = "export it as JPEG, or as TIFF, and use that"
_RAW = "a camera's raw file ({}), of which only a preview could be shown"

# The start of a TIFF in either byte order, also as some programs write it by mistake. "+" marks a BigTIFF.
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+")
_SIGNATURES = (  # offset, bytes there, and what the file is
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
_HEADER = 64  # bytes; all signatures and the brands of an ISO base media file lie in them

# Suffixes of raw files that are TIFFs and may have no signature.
_RAW_SUFFIXES = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".dcr", ".dcs", ".dng", ".erf", ".fff", ".gpr", ".iiq"),
        *(".kdc", ".mef", ".mos", ".nef", ".nrw", ".pef", ".rwl", ".sr2", ".srf", ".srw"),
    )
)
# Photometric values of raw pixels: color filter array (TIFF/EP) and linear raw (DNG).
_SENSORS = frozenset((32_803, 34_892))
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 255, 262, 330, 50_706
_REDUCED, _OLD_REDUCED = 1, 2  # a bit in _NEW_SUBFILE_TYPE, and the value of _SUBFILE_TYPE
_MOST_DIRECTORIES = 16  # directories that are read; a raw file has fewer than ten

ORIENTATION = 274
_WANTED = (_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _PHOTOMETRIC, ORIENTATION, _SUB_IFDS, _DNG_VERSION)

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}

Directory = Mapping[int, tuple[int, ...]]  # tag → values, for the tags in _WANTED


class _Form(NamedTuple):
    """The layout of a TIFF or a BigTIFF, in the notation of the struct module."""

    first: int  # position of the offset of the first directory
    offset: str
    count: str  # number of entries of a directory
    entry: str  # tag, type, number of values, and the values or their offset


_TIFF, _BIG_TIFF = _Form(4, "I", "H", "HHI4s"), _Form(8, "Q", "Q", "HHQ8s")
# TIFF types of whole numbers → the struct module's notation.
_KINDS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MOST_ENTRIES, _MOST_VALUES = 4096, 16  # entries per directory and values per entry that are read


def unread_format(file: BinaryIO, suffix: str) -> str | None:
    """Say what a file is that is not a photo, and what the user can do; None if it may be a photo.

    Args:
        file: the open file. It is left at its start.
        suffix: suffix of the file name, such as ".NEF".
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
        return raw_tiff(directories(file))
    finally:
        file.seek(0)


def raw_tiff(found: Sequence[Directory]) -> str | None:
    """Say what a TIFF is if its first picture is not the photo; None if it is.

    The first page of a TIFF with several pages, or with a picture and smaller versions of it, is the photo. A smaller
    version that is the only picture counts as the photo too.

    Args:
        found: the directories of the TIFF, in order. The sequence may be empty.
    """
    if any(_DNG_VERSION in directory for directory in found):
        return f"{_RAW.format('DNG')}: {_EXPORT}"
    if any(_SENSORS.intersection(directory.get(_PHOTOMETRIC, ())) for directory in found):
        return f"{_RAW.format('a TIFF with sensor data')}: {_EXPORT}"
    if len(found) > 1 and _is_reduced(found[0]):
        return (
            "a TIFF whose first picture is only a reduced preview of another (NewSubfileType 1), as in "
            f"raw files of cameras: {_EXPORT}"
        )
    return None


def _is_reduced(directory: Directory) -> bool:
    new, old = directory.get(_NEW_SUBFILE_TYPE, (0,)), directory.get(_SUBFILE_TYPE, (0,))
    return any(value & _REDUCED for value in new) or _OLD_REDUCED in old


def directories(file: BinaryIO) -> list[Directory]:
    """Return the directories of a TIFF, each followed by its sub-directories, up to ``_MOST_DIRECTORIES``.

    Pillow's reader is not used, because it reads everything that the entries point to, as often as they do. In a
    damaged file the readable directories are returned, and the decoder reports the damage. The position in the file
    stays as it was.
    """
    place = file.tell()
    file.seek(0)
    start = file.read(4)
    form = _BIG_TIFF if b"+" in start else _TIFF
    order = "<" if start.startswith(b"II") else ">"
    found: list[Directory] = []
    # A damaged file may end early or have offsets beyond its end.
    with contextlib.suppress(struct.error, OSError, ValueError, OverflowError):
        pending, seen = [_number(file, form.first, order, form.offset)], {0}
        while pending and len(seen) <= _MOST_DIRECTORIES:
            offset = pending.pop(0)
            if offset not in seen:
                seen.add(offset)
                directory, following = _directory(file, offset, order, form)
                found.append(directory)
                pending = [*directory.get(_SUB_IFDS, ()), following, *pending]
    file.seek(place)
    return found


def _directory(
    file: BinaryIO, offset: int, order: str, form: _Form
) -> tuple[dict[int, tuple[int, ...]], int]:
    """Return the values of one directory's ``_WANTED`` tags, and the offset of the next directory."""
    count = min(_number(file, offset, order, form.count), _MOST_ENTRIES)
    size = struct.calcsize(f"{order}{form.entry}")
    entries = file.read(count * size)
    following = _number(file, file.tell(), order, form.offset)
    found = {}
    for tag, kind, length, value in struct.iter_unpack(f"{order}{form.entry}", entries):
        if tag in _WANTED and kind in _KINDS:
            values = f"{order}{min(length, _MOST_VALUES)}{_KINDS[kind]}"
            if struct.calcsize(values) > len(value):  # the entry holds the offset of the values
                file.seek(struct.unpack(f"{order}{form.offset}", value)[0])
                value = file.read(struct.calcsize(values))
            found[tag] = struct.unpack_from(values, value)
    return found, following


def _number(file: BinaryIO, offset: int, order: str, form: str) -> int:
    file.seek(offset)
    form = f"{order}{form}"
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def container_format(file: BinaryIO) -> str | None:
    """Return "HEIC" or "AVIF" (ISO/IEC 23008-12) or "TIFF" by the first bytes of a file, and None for others."""
    file.seek(0)
    header = file.read(_HEADER)
    if header.startswith(_TIFF_STARTS):
        return "TIFF"
    if header[4:8] != b"ftyp":
        return None
    size = int.from_bytes(header[:4], "big")
    brands = {header[8:12], *(header[i : i + 4] for i in range(16, min(size, _HEADER), 4))}
    for name, known in (("AVIF", _AVIF_BRANDS), ("HEIC", _HEIC_BRANDS)):
        if brands & known:
            return name
    return None
