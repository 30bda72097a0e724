"""Recognizing checkpoint files, and refusing all other files, by their first bytes. This does not import torch.

The kind of file is recognized by its first bytes and not by its suffix, because failed downloads leave web pages and
git-lfs pointers under the right name.
"""

import codecs
import enum
import pickletools
import re
import stat
from contextlib import suppress
from pathlib import Path

from reference.common.errors import CheckpointError
from reference.common.input_files import require_utf8

_ZIP_MAGIC = b"PK\x03\x04"  # torch.save since 1.6
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6
_PICKLE_MAGIC = re.compile(rb"\x80[\x02-\x05]")
_SAFETENSORS_HEADER_LIMIT = 100_000_000  # bytes; the format's own limit
_HEAD_BYTES = 512  # enough to recognize every kind of file
# The files that save_pretrained of transformers writes into a folder.
_IN_FOLDERS = ("model.safetensors", "pytorch_model.bin")
GET_AGAIN = "get the file again"

# Files that users pass by mistake: their first bytes, what they are, and what to do.
_MISTAKES = (
    (rb"version https://git-lfs", "a git-lfs pointer, not the weights", "run 'git lfs pull'"),
    (rb"\s*(?i:<!doctype html|<html)", "a web page, not a checkpoint", GET_AGAIN),
    (rb"\xff\xd8\xff", "a JPEG image, not a checkpoint", "expected a .pt or .safetensors file"),
    (rb"\x89PNG\r\n", "a PNG image, not a checkpoint", "expected a .pt or .safetensors file"),
    (rb"\x1f\x8b", "a gzip archive, not a checkpoint", "unpack it first"),
)


class FileKind(enum.Enum):
    """The kinds of files that hold weights."""

    TORCH_ZIP = enum.auto()  # torch.save since 1.6
    TORCH_LEGACY = enum.auto()  # torch.save before 1.6
    SAFETENSORS = enum.auto()


def checkpoint_kind(path: Path) -> FileKind:
    """Return the kind of a checkpoint file.

    Raises:
        CheckpointError: the file is missing, empty, or not a checkpoint, or it is a pickle that wants to run code.
    """
    _require_regular_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise CheckpointError(f"cannot read '{path}': {reason(error)}") from error
    if head.startswith(_ZIP_MAGIC):
        return FileKind.TORCH_ZIP
    if head.startswith(_LEGACY_MAGIC):
        return FileKind.TORCH_LEGACY
    if _PICKLE_MAGIC.match(head):
        raise refused_pickle(path, _first_global(path))
    if _is_safetensors(head):
        return FileKind.SAFETENSORS
    raise _mistake(path, head)


def _mistake(path: Path, head: bytes) -> CheckpointError:
    """Return the error for a file that is no checkpoint, given its first bytes."""
    for pattern, what, fix in _MISTAKES:
        if re.match(pattern, head):
            return CheckpointError(f"'{path}' is {what}: {fix}")
    if _is_text(head):
        what = "JSON" if head.lstrip()[:1] in (b"{", b"[") else "text"
        return CheckpointError(f"'{path}' is not a checkpoint but looks like {what}: {GET_AGAIN}")
    return CheckpointError(
        f"'{path}' is not a checkpoint: expected a file written by torch.save or safetensors"
    )


def refused_pickle(path: Path, forbidden: str | None) -> CheckpointError:
    """Return the error for a pickle that is not a plain dict, given the global that it asks for, if any."""
    save = "torch.save(model.state_dict(), 'weights.pt')"
    if forbidden is None:
        return CheckpointError(
            f"'{path}' is damaged, is not a plain dict of tensors, or was written with another "
            f"pickle_protocol: {GET_AGAIN}, or write it with {save}"
        )
    if forbidden.startswith("ultralytics."):  # its class SAM wraps the module
        save = "torch.save(SAM('mobile_sam.pt').model.state_dict(), 'weights.pt')"
    return CheckpointError(
        f"'{path}' wants to run '{forbidden}' while loading, which is refused: expected a file that "
        f"holds only tensors; where it was written, save only its weights, with {save}"
    )


def reason(error: Exception) -> str:
    """Return the first line of an error message, without the path that an OSError repeats."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def _require_regular_file(path: Path) -> None:
    """Refuse a path that is missing, empty or not a regular file."""
    require_utf8(path, CheckpointError)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise CheckpointError(
            f"no file '{path}': expected the path of a .pt or .safetensors checkpoint"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise CheckpointError(f"cannot read '{path}': {reason(error)}") from error
    if stat.S_ISDIR(status.st_mode):
        inside = [f"'{path / name}'" for name in _IN_FOLDERS if (path / name).is_file()]
        example = f", such as {inside[0]}" if inside else ""
        raise CheckpointError(f"'{path}' is a folder: expected a .pt or .safetensors file{example}")
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"'{path}' is not a regular file: expected .pt or .safetensors")
    if status.st_size == 0:
        raise CheckpointError(f"'{path}' is empty (0 bytes): {GET_AGAIN}")


def _first_global(path: Path) -> str | None:
    """Return the first function or class that a pickle refers to, found by disassembling it."""
    strings: list[str] = []
    # A damaged pickle makes the parser raise almost anything. The list of operations ends there.
    with path.open("rb") as file, suppress(Exception):
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "GLOBAL":
                return argument.replace(" ", ".")
            if opcode.name == "STACK_GLOBAL":  # protocol 4: the two strings before it
                return ".".join(strings[-2:])
            if isinstance(argument, str):
                strings.append(argument)
    return None


def _is_text(head: bytes) -> bool:
    """Return whether the first bytes of a file are readable text. The last character may be cut in two."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return "".join(text.split()).isprintable()


def _is_safetensors(head: bytes) -> bool:
    """Return whether the file starts with the length of a header (8 bytes, little-endian) and a JSON object."""
    return 0 < int.from_bytes(head[:8], "little") <= _SAFETENSORS_HEADER_LIMIT and head[8:9] == b"{"
