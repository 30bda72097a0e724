"""Making .ptl files reproducible. They are zip archives of pickles, code and raw tensors.

torch leaves traces of the process in a file: debug records name local folders, and constants of backported files are
named after memory addresses. These functions remove both. Weights, code and bytecode stay unchanged.
"""

import io
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Mapping

_ROOT = "archive"  # torch's name for an archive that is not written to a named file
# Source lines with local paths, the example inputs of the trace (without their data), and a random id.
_DROPPED = re.compile(r".*\.debug_pkl|traced_inputs(/.*|\.pkl)|\.data/serialization_id")
_TENSOR = re.compile(r"(data|constants)/.*")
_CONSTANT = re.compile(r"(?<![^/])\d+(?=\.storage$)")  # in "constants/94264814318432.storage"

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can store
_ALIGNMENT = 64  # bytes; torch uses it too, for readers that map tensors into memory
_LOCAL_HEADER = 30  # bytes of a zip record's header before its name
_PADDING_FIELD = struct.Struct("<2sH")  # tag and length of an extra field; torch pads with "FB" too


def reproducible_archive(data: bytes, extra_files: Mapping[str, str]) -> bytes:
    """Return the archive without traces of process and machine, and with ``extra_files`` (name → text).

    The extra files lie under ``extra/``, where ``torch.jit.load`` and the mobile loaders find them.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # The root folder is named after the file, or "archive".
        records = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    records = {name: content for name, content in records.items() if not _DROPPED.fullmatch(name)}
    records = _renumber_constants(records)
    records |= {f"extra/{name}": text.encode() for name, text in extra_files.items()}

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in records.items():
            _write_record(archive, f"{_ROOT}/{name}", content, is_tensor=bool(_TENSOR.match(name)))
    return buffer.getvalue()


def _write_record(archive: zipfile.ZipFile, name: str, content: bytes, is_tensor: bool) -> None:
    """Write one record. Tensors are aligned and stored uncompressed; all others shrink to a third when compressed."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 0  # the same on every machine
    if is_tensor:
        start = archive.fp.tell() + _LOCAL_HEADER + len(name) + _PADDING_FIELD.size
        padding = -start % _ALIGNMENT
        info.extra = _PADDING_FIELD.pack(b"FB", padding) + bytes(padding)
    else:
        info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content)


def _renumber_constants(records: Mapping[str, bytes]) -> dict[str, bytes]:
    """Name constants 0, 1, 2, … in the order in which the pickles refer to them."""
    numbers: dict[str, int] = {}

    def rename(text: str) -> str:
        return _CONSTANT.sub(lambda match: str(numbers.setdefault(match[0], len(numbers))), text)

    pickles = {
        name: _rename_strings(content, rename)
        for name, content in sorted(records.items())
        if name.endswith(".pkl")
    }
    renamed = {rename(name): pickles.get(name, content) for name, content in records.items()}
    return dict(sorted(renamed.items()))  # the order may depend on memory addresses too


def _rename_strings(pickled: bytes, rename: Callable[[str], str]) -> bytes:
    """Apply ``rename`` to the strings of a pickle, without loading it."""
    operations = [(opcode.name, arg, pos) for opcode, arg, pos in pickletools.genops(pickled)]
    ends = [pos for _, _, pos in operations[1:]] + [len(pickled)]
    renamed = bytearray()
    for (opcode, arg, start), end in zip(operations, ends, strict=True):
        if opcode == "BINUNICODE":  # X, length in 4 bytes, text
            text = rename(arg).encode()
            renamed += struct.pack("<cI", b"X", len(text)) + text
        else:
            renamed += pickled[start:end]
    return bytes(renamed)
