"""A JSON document in a file that appears only once it is complete."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from reference.errors import OutputError


def check_writable(path: Path) -> None:
    """Refuse at once what ``write_json`` would refuse after all the work is done: OutputError."""
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it, such as {path / 'result.json'}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; create it first")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path}: the file is write-protected; name another output")
    # Only a new file proves that the folder takes one: permissions do not tell of read-only disks.
    with _replacing(path, keep=False):
        pass


def write_json(path: Path, document: dict) -> None:
    """Write ``document``, whose numbers are finite; OutputError if the file cannot be written."""
    with _replacing(path, keep=True) as file:
        json.dump(document, file, indent=2, allow_nan=False)
        file.write("\n")


@contextlib.contextmanager
def _replacing(path: Path, keep: bool) -> Iterator[TextIO]:
    """A file beside ``path`` that, with ``keep``, takes its place if the block ends well."""
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        try:
            with draft.open("x", encoding="utf-8") as file:
                yield file
            if keep:
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); name another output"
        ) from None
