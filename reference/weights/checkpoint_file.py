"""Reading the tensors of a checkpoint file, and refusing all other files.

The kind of file is recognized by its first bytes and not by its suffix, because failed downloads leave web pages and
git-lfs pointers under the right name. Nothing that a file contains is ever executed.
"""

import codecs
import hashlib
import json
import pickle
import pickletools
import re
import stat
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

import safetensors.torch
import torch

from reference.common.errors import CheckpointError
from reference.common.input_files import require_utf8
from reference.common.plain_text import quote
from reference.weights.stand_ins import stand_ins
from reference.weights.state_dicts import is_dense, state_dicts

FLOAT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

_ZIP_MAGIC = b"PK\x03\x04"  # torch.save since 1.6
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6
_LEGACY_PICKLES = 5  # magic number, protocol, system, object, storage keys; raw numbers follow
_PICKLE_MAGIC = re.compile(rb"\x80[\x02-\x05]")
_SAFETENSORS_HEADER_LIMIT = 100_000_000  # bytes; the format's own limit
_HEAD_BYTES = 512  # enough to recognize every kind of file
# The files that save_pretrained of transformers writes into a folder.
_IN_FOLDERS = ("model.safetensors", "pytorch_model.bin")
_GET_AGAIN = "get the file again"

# Files that users pass by mistake: their first bytes, what they are, and what to do.
_MISTAKES = (
    (rb"version https://git-lfs", "a git-lfs pointer, not the weights", "run 'git lfs pull'"),
    (rb"\s*(?i:<!doctype html|<html)", "a web page, not a checkpoint", _GET_AGAIN),
    (rb"\xff\xd8\xff", "a JPEG image, not a checkpoint", "pass the image as the image"),
    (rb"\x89PNG\r\n", "a PNG image, not a checkpoint", "pass the image as the image"),
    (rb"\x1f\x8b", "a gzip archive, not a checkpoint", "unpack it first"),
)


def read_content(path: str | Path) -> object:
    """Read the whole content of a ``.pt``/``.pth`` (zip or older pickle format) or ``.safetensors`` file.

    Tensors are on the CPU. Numbers, strings and containers that training scripts save beside them are kept. Objects
    that do not affect the weights, such as numpy's numbers or an ``argparse.Namespace``, become ``LeftOut``. No code
    that the file names is run or imported.

    Raises:
        CheckpointError: the file is missing, empty, truncated, damaged, not a checkpoint, or wants to run code.
    """
    path = Path(path)
    size = _regular_file_size(path)
    try:
        return _read_any(path, size)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"cannot read '{path}': {_reason(error)}") from error
    except Exception as error:  # a damaged file makes the parsers raise almost anything
        raise CheckpointError(f"'{path}' is damaged ({_reason(error)}): {_GET_AGAIN}") from error


def read_checkpoint(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the named tensors of a file. If the file holds several dicts of tensors, the largest is read.

    Returns:
        Name → dense CPU tensor, with the names and dtypes of the file. All floats are finite.

    Raises:
        CheckpointError: the file cannot be read (see ``read_content``), or a tensor is not dense or not finite.
    """
    content = read_content(path)
    found = state_dicts(content)
    if not found:
        raise no_tensors(path, content)
    tensors = max(found, key=lambda each: len(each.tensors)).tensors
    return checked_tensors(path, tensors)


def no_tensors(path: str | Path, content: object) -> CheckpointError:
    """Return the error for a file that holds no state_dict."""
    what = "no named tensors" if isinstance(content, Mapping) else f"one {type(content).__name__}"
    return CheckpointError(
        f"'{path}' holds {what}: expected a model's state_dict(), alone or inside a dict"
    )


def checked_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Check that the tensors of a file are dense and finite, and drop their gradients."""
    for name, tensor in tensors.items():
        if not is_dense(tensor):
            raise CheckpointError(
                f"'{path}' holds {quote(name)} as a sparse or quantized tensor, or without data: "
                "expected a dense tensor"
            )
    bad = first_non_finite(tensors)
    if bad is not None:
        raise CheckpointError(
            f"'{path}' holds NaN or infinity in {quote(bad)}: the weights are unusable; take an earlier checkpoint"
        )
    return {name: tensor.detach() for name, tensor in tensors.items()}


def sha256_of_file(path: str | Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal, without reading the file at once."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_non_finite(state_dict: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the first float tensor that contains NaN or infinity."""
    for name, tensor in state_dict.items():
        if tensor.dtype in FLOAT_DTYPES and not torch.isfinite(tensor).all():
            return name
    return None


def _regular_file_size(path: Path) -> int:
    """Return the size of a file in bytes. A path that is missing, empty or not a regular file is refused."""
    require_utf8(path, CheckpointError)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise CheckpointError(
            f"no file '{path}': expected the path of a .pt or .safetensors checkpoint"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise CheckpointError(f"cannot read '{path}': {_reason(error)}") from error
    if stat.S_ISDIR(status.st_mode):
        inside = [f"'{path / name}'" for name in _IN_FOLDERS if (path / name).is_file()]
        example = f", such as {inside[0]}" if inside else ""
        raise CheckpointError(f"'{path}' is a folder: expected a .pt or .safetensors file{example}")
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"'{path}' is not a regular file: expected .pt or .safetensors")
    if status.st_size == 0:
        raise CheckpointError(f"'{path}' is empty (0 bytes): {_GET_AGAIN}")
    return status.st_size


def _read_any(path: Path, size: int) -> object:
    """Recognize the kind of file and read its content."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_ZIP_MAGIC):
        _check_torch_zip(path, size)
        return _load_pickled(path)
    if head.startswith(_LEGACY_MAGIC):
        _check_legacy_pickles(path, size)
        return _load_pickled(path)
    if _PICKLE_MAGIC.match(head):
        raise _refused_pickle(path, _first_global(path))
    if _is_safetensors(head):
        _check_safetensors_size(path, size)
        # The file is not memory-mapped, because overwriting it later must not change the tensors.
        return safetensors.torch.load(path.read_bytes())
    for pattern, what, fix in _MISTAKES:
        if re.match(pattern, head):
            raise CheckpointError(f"'{path}' is {what}: {fix}")
    if _is_text(head):
        what = "JSON" if head.lstrip()[:1] in (b"{", b"[") else "text"
        raise CheckpointError(f"'{path}' is not a checkpoint but looks like {what}: {_GET_AGAIN}")
    raise CheckpointError(
        f"'{path}' is not a checkpoint: expected a file written by torch.save or safetensors"
    )


def _check_torch_zip(path: Path, size: int) -> None:
    """Refuse archives that are truncated, damaged, or not written by torch.save."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {PurePosixPath(name).name for name in archive.namelist()}
            damaged = archive.testzip()  # torch itself does not compare the checksums
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"'{path}' is truncated: its {size:,} bytes end before the archive's directory; "
            f"{_GET_AGAIN}"
        ) from error
    if damaged is not None:
        raise CheckpointError(f"'{path}' is damaged (checksum of '{damaged}'): {_GET_AGAIN}")
    if "constants.pkl" in members:
        raise CheckpointError(
            f"'{path}' is an exported TorchScript model: expected the checkpoint it was made from"
        )
    if "data.pkl" not in members:
        raise CheckpointError(
            f"'{path}' is a zip archive, but not a checkpoint: expected one that torch.save wrote"
        )


def _check_legacy_pickles(path: Path, size: int) -> None:
    """Refuse a file that ends within its pickles, because torch may report it as malicious."""
    try:
        with path.open("rb") as file:
            for _ in range(_LEGACY_PICKLES):
                for _ in pickletools.genops(file):  # disassembles the pickle without running it
                    pass
    except ValueError as error:
        raise CheckpointError(
            f"'{path}' is truncated or damaged: its {size:,} bytes hold no complete list of "
            f"tensors; {_GET_AGAIN}"
        ) from error


def _load_pickled(path: Path) -> object:
    """Load a file with torch's restricted unpickler, which runs no code. It knows tensors, containers and stand-ins."""
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(stand_ins())):
            # The warnings are about pickle protocols. Such a file is either read or refused below.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # The message of torch has many lines, and advises users to switch the protection off.
        forbidden = re.search(r"GLOBAL (\S+)", str(error))
        raise _refused_pickle(path, forbidden and forbidden[1]) from error


def _refused_pickle(path: Path, forbidden: str | None) -> CheckpointError:
    """Return the error for a pickle that is not a plain dict, given the global that it asks for, if any."""
    save = "torch.save(model.state_dict(), 'weights.pt')"
    if forbidden is None:
        return CheckpointError(
            f"'{path}' is damaged, is not a plain dict of tensors, or was written with another "
            f"pickle_protocol: {_GET_AGAIN}, or write it with {save}"
        )
    if forbidden.startswith("ultralytics."):  # its class SAM wraps the module
        save = "torch.save(SAM('mobile_sam.pt').model.state_dict(), 'weights.pt')"
    return CheckpointError(
        f"'{path}' wants to run '{forbidden}' while loading, which is refused: expected a file that "
        f"holds only tensors; where it was written, save only its weights, with {save}"
    )


def _first_global(path: Path) -> str | None:
    """Return the first function or class that a pickle refers to, found by disassembling it."""
    strings: list[str] = []
    with path.open("rb") as file, suppress(ValueError):  # ends where the pickle is damaged
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


def _check_safetensors_size(path: Path, size: int) -> None:
    """Refuse a file that is shorter than its header says."""
    with path.open("rb") as file:
        expected = 8 + int.from_bytes(file.read(8), "little")
        if size >= expected:
            header = json.loads(file.read(expected - 8))
            header.pop("__metadata__", None)
            expected += max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size < expected:
        raise CheckpointError(
            f"'{path}' is truncated: expected at least {expected:,} bytes, found {size:,}; "
            f"{_GET_AGAIN}"
        )


def _reason(error: Exception) -> str:
    """Return the first line of an error message, without the path that an OSError repeats."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return text.splitlines()[0]
