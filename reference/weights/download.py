"""Downloading an official checkpoint once into the user's cache, verified by size and SHA-256."""

import http.client
import time
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm import tqdm

from reference.common.cache import CACHE_VARIABLE
from reference.common.errors import CheckpointError
from reference.common.input_files import require_regular_file
from reference.modeling.variants import OfficialCheckpoint
from reference.weights.checkpoint_file import sha256_of_file
from reference.weights.checkpoint_source import official_path

# Seconds to wait for the connection, and for every read. A stalled server is given up, but a slow one is not.
TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 18
# Seconds. No download takes a day, so a killed process left a partial file that is older.
_STALE_S = 24 * 3600


def fetch_official(official: OfficialCheckpoint, progress: bool = True) -> Path:
    """Return the path of the verified file, after downloading it if the cache does not have it.

    A cached file is verified again every time, and replaced if it is damaged. The file appears under its name only once
    it is complete and verified, so neither a failure nor a concurrent download leaves half a file.

    Args:
        official: the address, size and digest of the file.
        progress: whether to show a progress bar on stderr, if stderr is a terminal.

    Raises:
        CheckpointError: the file cannot be downloaded, verified or stored.
    """
    path = official_path(official)
    try:
        if path.exists():
            require_regular_file(
                path, CheckpointError, "expected the downloaded checkpoint; remove it"
            )
        if not path.is_file() or _mismatch(path, official) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _download_verified(official, path, progress)
    except OSError as error:
        raise CheckpointError(
            f"cannot use '{path}' ({error.strerror or error}): set {CACHE_VARIABLE} to another "
            "folder, or pass --checkpoint PATH"
        ) from error
    return path


def _mismatch(path: Path, official: OfficialCheckpoint) -> str | None:
    """Say how the file differs from the official one; None if it does not."""
    size = path.stat().st_size
    if size != official.size:
        return f"expected {official.size:,} bytes, found {size:,}"
    digest = sha256_of_file(path)
    if digest != official.sha256:
        return f"expected SHA-256 {official.sha256}, found {digest}"
    return None


def _download_verified(official: OfficialCheckpoint, path: Path, progress: bool) -> None:
    """Download beside ``path``, verify, and only then move the file to ``path``."""
    with _partial_file(path) as partial:
        try:
            _save(_body(official.url), partial, official.size, progress)
        except _TransferError as error:
            raise CheckpointError(_cannot_download(official, path, str(error))) from error
        problem = _mismatch(partial, official)
        if problem is not None:
            reason = f"the server sent something else: {problem}"
            raise CheckpointError(_cannot_download(official, path, reason))
        partial.replace(path)


@contextmanager
def _partial_file(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` that no other process uses. A file of that name is removed at the end."""
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        with suppress(FileNotFoundError):  # another process may be cleaning up as well
            if time.time() - leftover.stat().st_mtime > _STALE_S:
                leftover.unlink()
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


class _TransferError(Exception):
    """A failure of the network during a download, as opposed to a failure of the disk."""


def _body(url: str) -> Iterator[bytes]:
    """Yield the body of the response in pieces; raises _TransferError."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            while chunk := response.read(_CHUNK_BYTES):
                yield chunk
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        raise _TransferError(str(error) or type(error).__name__) from error


def _save(body: Iterable[bytes], partial: Path, size: int, progress: bool) -> None:
    """Write ``body`` to a new file, and stop once the file is longer than ``size``."""
    disable = None if progress else True  # None shows the bar only on a terminal
    bar = tqdm(desc="official checkpoint", total=size, unit="B", unit_scale=True, disable=disable)
    written = 0
    with partial.open("xb") as file, bar:
        for chunk in body:
            file.write(chunk)
            bar.update(len(chunk))
            written += len(chunk)
            if written > size:
                return  # an endless body must not fill the disk; verification refuses the file


def _cannot_download(official: OfficialCheckpoint, path: Path, reason: str) -> str:
    damaged = " (the file that is there is damaged)" if path.exists() else ""
    return (
        f"cannot download {official.url} ({' '.join(reason.split())}): "
        f"put the file at '{path}' by hand{damaged}, or pass --checkpoint PATH"
    )
