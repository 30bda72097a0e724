"""Reading the tensors of a checkpoint file, and refusing all other files.

Nothing that a file contains is ever executed.
"""

import hashlib
import json
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import safetensors.torch
import torch

from reference.common.errors import CheckpointError
from reference.common.plain_text import quote
from reference.weights.file_kind import (
    GET_AGAIN,
    FileKind,
    checkpoint_kind,
    reason,
    refused_pickle,
)
from reference.weights.stand_ins import stand_ins
from reference.weights.state_dicts import is_dense, state_dicts

FLOAT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

_LEGACY_PICKLES = 5  # magic number, protocol, system, object, storage keys; raw numbers follow


def read_content(path: str | Path) -> object:
    """Read the whole content of a ``.pt``/``.pth`` (zip or older pickle format) or ``.safetensors`` file.

    Tensors are on the CPU. Numbers, strings and containers that training scripts save beside them are kept. Objects
    that do not affect the weights, such as numpy's numbers or an ``argparse.Namespace``, become ``LeftOut``. No code
    that the file names is run or imported.

    Raises:
        CheckpointError: the file is missing, empty, truncated, damaged, not a checkpoint, or wants to run code.
    """
    path = Path(path)
    kind = checkpoint_kind(path)
    try:
        return _read_any(path, kind)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"cannot read '{path}': {reason(error)}") from error
    except Exception as error:  # a damaged file makes the parsers raise almost anything
        raise CheckpointError(f"'{path}' is damaged ({reason(error)}): {GET_AGAIN}") from error


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


def _read_any(path: Path, kind: FileKind) -> object:
    size = path.stat().st_size
    if kind is FileKind.SAFETENSORS:
        _check_safetensors_size(path, size)
        # The file is not memory-mapped, because overwriting it later must not change the tensors.
        return safetensors.torch.load(path.read_bytes())
    if kind is FileKind.TORCH_ZIP:
        _check_torch_zip(path, size)
    else:
        _check_legacy_pickles(path, size)
    return _load_pickled(path)


def _check_torch_zip(path: Path, size: int) -> None:
    """Refuse archives that are truncated, damaged, or not written by torch.save."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {PurePosixPath(name).name for name in archive.namelist()}
            damaged = archive.testzip()  # torch itself does not compare the checksums
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"'{path}' is truncated: its {size:,} bytes end before the archive's directory; "
            f"{GET_AGAIN}"
        ) from error
    if damaged is not None:
        raise CheckpointError(f"'{path}' is damaged (checksum of '{damaged}'): {GET_AGAIN}")
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
            f"tensors; {GET_AGAIN}"
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
        raise refused_pickle(path, forbidden and forbidden[1]) from error


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
            f"{GET_AGAIN}"
        )
