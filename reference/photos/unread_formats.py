"""Files that are no photo for this project, told by their content: cameras' raw files above all.

Most raw files are TIFFs whose first picture is a small preview, and some readers take that for the photo.
"""

import contextlib
import struct
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple

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
_SENSORS = frozenset(
    (32_803, 34_892)
)  # photometric: color filter array (TIFF/EP), linear raw (DNG)
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 255, 262, 330, 50_706
_REDUCED, _OLD_REDUCED = 1, 2  # in _NEW_SUBFILE_TYPE a bit, in _SUBFILE_TYPE the value
_MOST_DIRECTORIES = 16  # that are looked at; a raw file has fewer than ten

ORIENTATION = 274
_WANTED = (_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _PHOTOMETRIC, ORIENTATION, _SUB_IFDS, _DNG_VERSION)

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}

Directory = Mapping[int, tuple[int, ...]]  # tag → values, of the tags in _WANTED


class _Form(NamedTuple):
    """How a TIFF of one kind is laid out, as the struct module has it."""

    first: int  # where the first directory's offset is
    offset: str
    count: str  # of a directory's entries
    entry: str  # tag, kind of value, number of values, and the values or their offset


_TIFF, _BIG_TIFF = _Form(4, "I", "H", "HHI4s"), _Form(8, "Q", "Q", "HHQ8s")
_KINDS = {
    1: "B",
    3: "H",
    4: "I",
    13: "I",
    16: "Q",
    18: "Q",
}  # kinds of values that are whole numbers
_MOST_ENTRIES, _MOST_VALUES = 4096, 16  # of a directory, and of an entry


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
        return raw_tiff(directories(file))
    finally:
        file.seek(0)


def raw_tiff(found: Sequence[Directory]) -> str | None:
    """What a TIFF is if its first picture is not the photo; None if it is.

    A TIFF of several pages, or of a picture and its reductions, is a photo: the first page. So is a
    reduction that is all there is.

    Args:
        found: its directories, the first picture's first; there may be none.
    """
    if any(_DNG_VERSION in directory for directory in found):
        return f"{_RAW.format('DNG')}: {_EXPORT}"
    if any(_SENSORS.intersection(directory.get(_PHOTOMETRIC, ())) for directory in found):
        return f"{_RAW.format('a TIFF of what the sensor saw')}: {_EXPORT}"
    if len(found) > 1 and _is_reduced(found[0]):
        return (
            "a TIFF whose first picture is only a reduced preview of another (NewSubfileType 1), as "
            f"raw files of cameras have it: {_EXPORT}"
        )
    return None


def _is_reduced(directory: Directory) -> bool:
    new, old = directory.get(_NEW_SUBFILE_TYPE, (0,)), directory.get(_SUBFILE_TYPE, (0,))
    return any(value & _REDUCED for value in new) or _OLD_REDUCED in old


def directories(file: BinaryIO) -> list[Directory]:
    """A TIFF's directories, each with its sub-directories after it, up to ``_MOST_DIRECTORIES``.

    Not by Pillow's reader, which reads all that the entries point to, as often as they do. The rest of a
    damaged file is left out: whoever decodes it will say so. The file is left where it was.
    """
    place = file.tell()
    file.seek(0)
    start = file.read(4)
    form = _BIG_TIFF if b"+" in start else _TIFF
    order = "<" if start.startswith(b"II") else ">"
    found: list[Directory] = []
    # A damaged file ends early, or has offsets that no file reaches.
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
    """One directory's values of the tags that are looked at, and where the next directory is."""
    count = min(_number(file, offset, order, form.count), _MOST_ENTRIES)
    size = struct.calcsize(f"{order}{form.entry}")
    entries = file.read(count * size)
    following = _number(file, file.tell(), order, form.offset)
    found = {}
    for tag, kind, length, value in struct.iter_unpack(f"{order}{form.entry}", entries):
        if tag in _WANTED and kind in _KINDS:
            values = f"{order}{min(length, _MOST_VALUES)}{_KINDS[kind]}"
            if struct.calcsize(values) > len(value):  # it has an offset in their place
                file.seek(struct.unpack(f"{order}{form.offset}", value)[0])
                value = file.read(struct.calcsize(values))
            found[tag] = struct.unpack_from(values, value)
    return found, following


def _number(file: BinaryIO, offset: int, order: str, form: str) -> int:
    file.seek(offset)
    form = f"{order}{form}"
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def container_format(file: BinaryIO) -> str | None:
    """ "HEIC" or "AVIF" (ISO/IEC 23008-12), or "TIFF", if the first bytes of a file say so, else None."""
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
