"""Keeps answers of the reference on disk, so that later runs need not compute them again.

An entry is a file: a SHA-256 digest, then the numbers of the answer's tensors, little-endian float32. Reading one runs
no code, and an entry that is damaged counts as missing.
"""

import contextlib
import hashlib
import math
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import reference
from reference.common.cache import cache_folder
from reference.common.errors import OutputError
from reference.common.output_files import replacing
from reference.common.processor import processor_name
from reference.mask_choice import NUM_MASKS
from reference.modeling.variants import Variant

LIMIT = 1 << 30  # bytes of all entries together
_CHECK = 1 << 26  # bytes that are written between two looks at the folder's size
_FLOAT32 = np.dtype("<f4")
_DIGEST = hashlib.sha256().digest_size
# Environment variables with these prefixes choose how libraries compute.
_SETTINGS = ("ATEN_", "DNNL_", "MKL_", "OMP_", "ONEDNN_", "TORCH_")


ENCODE, DECODE = "encode", "decode"  # kinds of questions

Shape = tuple[int, ...]


class AnswerStore:
    """The answers of one reference on disk."""

    def __init__(
        self,
        folder: Path,
        identity: bytes,
        shapes: Mapping[str, Sequence[Shape]],
        limit: int = LIMIT,
    ) -> None:
        """Use a folder, which is created when the first entry is written, and which other references may share.

        Args:
            folder: the folder, in which nothing else may be.
            identity: everything except the question that decides the answer; see ``identity_of``.
            shapes: kind of question → the shapes of the tensors of its answer.
            limit: bytes of all entries together. Beyond it, those that were not used for the longest time are removed.
        """
        self._folder, self._identity, self._shapes, self._limit = folder, identity, shapes, limit
        self._unchecked = _CHECK  # bytes written since the last look at the folder's size

    def read(self, kind: str, question: bytes) -> tuple[Tensor, ...] | None:
        """Return the answer to a question, whose digest is given; None if it is missing, damaged or not finite."""
        key = self._key(kind, question)
        counts = [math.prod(shape) for shape in self._shapes[kind]]
        path = self._path(key)
        try:
            if path.stat().st_size != _DIGEST + _FLOAT32.itemsize * sum(counts):
                return None
            data = path.read_bytes()
        except OSError:
            return None
        numbers = np.frombuffer(data, _FLOAT32, offset=_DIGEST).astype(np.float32)
        if data != _entry(key, data[_DIGEST:]) or not np.isfinite(numbers).all():
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the time of the last use
        parts = torch.from_numpy(numbers).split(counts)
        return tuple(
            part.reshape(shape) for part, shape in zip(parts, self._shapes[kind], strict=True)
        )

    def write(self, kind: str, question: bytes, answer: Sequence[Tensor]) -> None:
        """Store an answer. If it is not finite, or if the disk refuses, nothing is stored."""
        if not all(bool(tensor.isfinite().all()) for tensor in answer):
            return
        key = self._key(kind, question)
        numbers = b"".join(tensor.numpy().astype(_FLOAT32).tobytes() for tensor in answer)
        with contextlib.suppress(OSError, OutputError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(self._path(key)) as draft:
                draft.write_bytes(_entry(key, numbers))
            self._unchecked += len(numbers)
            if self._unchecked >= _CHECK:
                self._remove_oldest()

    def _key(self, kind: str, question: bytes) -> bytes:
        return self._identity + kind.encode() + question

    def _path(self, key: bytes) -> Path:
        return self._folder / hashlib.sha256(key).hexdigest()

    def _remove_oldest(self) -> None:
        """Remove the files that were not used for the longest time, until the rest is within the limit."""
        self._unchecked, free = 0, self._limit
        files = [(file, file.lstat()) for file in self._folder.iterdir()]
        for file, status in sorted(files, key=lambda item: item[1].st_mtime, reverse=True):
            free -= status.st_size
            if free < 0:
                file.unlink(missing_ok=True)


def _entry(key: bytes, numbers: bytes) -> bytes:
    return hashlib.sha256(key + numbers).digest() + numbers


def store_of(variant: Variant, weights_sha256: str) -> AnswerStore:
    """The store of a reference in the user's cache folder; ``identity_of`` has the arguments."""
    grid, side = variant.embedding_size, variant.mask_size
    shapes = {
        ENCODE: ((1, variant.embedding_dim, grid, grid),),
        DECODE: ((1, NUM_MASKS, side, side), (1, NUM_MASKS)),
    }
    identity = identity_of(variant, weights_sha256)
    return AnswerStore(cache_folder() / "reference", identity, shapes)


def identity_of(variant: Variant, weights_sha256: str) -> bytes:
    """A digest of everything that decides a reference's answers, down to the last bit, except the questions.

    That is the weights, the code of the package ``reference``, which also reads the weights, the versions of the
    libraries that it computes with, the processor and the number of threads.

    Args:
        variant: the variant of the model.
        weights_sha256: the SHA-256 of its weights, as ``Checkpoint`` has it.
    """
    digest = hashlib.sha256(weights_sha256.encode())
    folder = Path(reference.__file__).parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"|{file.relative_to(folder).as_posix()}|".encode())
        digest.update(file.read_bytes())
    digest.update(repr((variant, sorted(_circumstances().items()))).encode())
    return digest.digest()


def _circumstances() -> Mapping[str, object]:
    """What the numbers depend on besides weights and code."""
    return {
        "torch": (torch.__version__, torch.version.git_version, torch.__config__.show()),
        "timm": version("timm"),
        "threads": torch.get_num_threads(),
        "processor": (platform.system(), platform.machine(), processor_name()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "precision": torch.get_float32_matmul_precision(),
        "oneDNN": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "settings": sorted(
            (name, value) for name, value in os.environ.items() if name.startswith(_SETTINGS)
        ),
    }
