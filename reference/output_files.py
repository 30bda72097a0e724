"""Files that appear under their name only once they are complete."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from reference.errors import OutputError


def require_writable(path: Path) -> None:
    """Refuse at once what would be refused after all the work is done.

    Raises:
        OutputError: a folder of that name, a protected file, a parent that is missing or takes no file.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it, such as {path / 'result'}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; create it first")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path}: the file is write-protected; name another output")
    # Only a new file proves that the folder takes one: permissions do not tell of read-only disks.
    with _draft_of(path) as draft:
        draft.touch(exist_ok=False)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft beside ``path`` to write to, which takes its place if the block ends without an error.

    Raises:
        OutputError: the file system refuses; ``path`` is then as it was.
    """
    with _draft_of(path) as draft:
        yield draft
        draft.replace(path)


@contextlib.contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """A name beside ``path`` that is free, and free again afterwards."""
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); name another output"
        ) from error
