"""A .ptl file is a zip archive of pickles, code and raw tensors: here it is made reproducible.

What torch writes depends on the process that writes it. Classes of traced modules are numbered in
the order in which the process met them (``___torch_mangle_17``), and debug records name the
folders of the machine. Both are made to go away; numbers and weights are not touched.
"""

import io
import pickletools
import re
import struct
from collections.abc import Callable, Mapping

import torch

_MANGLED = re.compile(r"___torch_mangle_(\d+)")
# Source lines with local paths, and the example inputs of the trace, without their data.
_DROPPED = re.compile(r".*\.debug_pkl|traced_inputs(/.*|\.pkl)|\.data/.*|version|byteorder")
_VERSION_RECORD = ".data/version"


def reproducible_archive(data: bytes, extra_files: Mapping[str, str]) -> bytes:
    """The same archive, independent of process and machine, with ``extra_files`` (name → text).

    The extra files lie under ``extra/``, where ``torch.jit.load`` and the mobile loaders find them.
    """
    reader = torch._C.PyTorchFileReader(io.BytesIO(data))
    rename = _renumber_classes()
    buffer = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(buffer)
    writer.set_min_version(int(reader.get_record(_VERSION_RECORD)))
    for name in reader.get_all_records():
        if not _DROPPED.fullmatch(name):
            content = _with_renamed_classes(name, reader.get_record(name), rename)
            writer.write_record(rename(name), content, len(content))
    for name, text in extra_files.items():
        content = text.encode()
        writer.write_record(f"extra/{name}", content, len(content))
    writer.write_end_of_file()
    return buffer.getvalue()


def _renumber_classes() -> Callable[[str], str]:
    """A function that renames mangled classes in a text, in the order in which it sees them."""
    numbers: dict[str, int] = {}

    def rename(text: str) -> str:
        return _MANGLED.sub(
            lambda match: f"___torch_mangle_{numbers.setdefault(match[1], len(numbers))}", text
        )

    return rename


def _with_renamed_classes(name: str, content: bytes, rename: Callable[[str], str]) -> bytes:
    if name.endswith(".pkl"):
        return _rename_in_pickle(content, rename)
    if name.startswith("code/"):
        return rename(content.decode()).encode()
    return content


def _rename_in_pickle(pickled: bytes, rename: Callable[[str], str]) -> bytes:
    """Apply ``rename`` to the class names and strings of a pickle, without loading it."""
    operations = [(opcode.name, arg, pos) for opcode, arg, pos in pickletools.genops(pickled)]
    ends = [pos for _, _, pos in operations[1:]] + [len(pickled)]
    renamed = bytearray()
    for (opcode, arg, start), end in zip(operations, ends, strict=True):
        if opcode == "BINUNICODE":  # X, length in 4 bytes, text
            text = rename(arg).encode()
            renamed += struct.pack("<cI", b"X", len(text)) + text
        elif opcode == "GLOBAL":  # c, module, newline, class, newline
            renamed += rename(pickled[start:end].decode()).encode()
        else:
            renamed += pickled[start:end]
    return bytes(renamed)
