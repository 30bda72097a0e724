"""An artefact folder, or any other, is there whole or not at all."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from converters.artifact_layout import MANIFEST_FILE
from reference.errors import OutputError
from reference.folders import entries_below


def require_free(folder: Path, force: bool | None, option: str = "--output") -> None:
    """Raise OutputError if ``folder`` exists and must not, or cannot, be replaced.

    Args:
        folder: to be written.
        force: whether an artefact in its place is replaced; None: the command has no ``--force``.
        option: what the user named the folder with.
    """
    if not os.path.lexists(folder):
        return
    if not force:
        or_force = "" if force is None else ", or --force to replace it"
        raise OutputError(f"'{folder}' exists: choose another {option}{or_force}")
    if folder.is_symlink() or not folder.is_dir() or not _is_replaceable(folder):
        raise OutputError(
            f"'{folder}' exists and is not an artefact folder, so --force will not replace it: move it away"
        )


def _is_replaceable(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
    except FileNotFoundError:
        return not any(entries_below(folder))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and "schema" in manifest


@contextlib.contextmanager
def staged(folder: Path, force: bool | None, option: str = "--output") -> Iterator[Path]:
    """A hidden folder to fill, which becomes ``folder`` in one step when the block ends without an error.

    Whatever stops the block, ``folder`` is as it was; a process that is killed leaves at most a hidden folder
    whose name ends in ``.partial``.

    The arguments are those of ``require_free``.

    Raises:
        OutputError: ``folder`` exists and ``force`` is off, or it cannot be written.
    """
    require_free(folder, force, option)
    created = _create(folder.parent, option)
    try:
        with _partial_folder(folder) as partial:
            yield partial
            _publish(partial, folder, force, option)
    except OSError as error:
        raise OutputError(
            f"cannot write '{folder}': {error.strerror or error}; check space and permissions, or "
            f"choose another {option}"
        ) from error
    finally:
        for parent in created:  # deepest first; those in use stay
            with contextlib.suppress(OSError):
                parent.rmdir()


def _create(folder: Path, option: str) -> list[Path]:
    """Make ``folder`` and its parents; returns those that were not there, deepest first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot create '{folder}': {error.strerror or error}; choose another {option}"
        ) from error
    return missing


@contextlib.contextmanager
def _partial_folder(folder: Path) -> Iterator[Path]:
    partial = Path(
        tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent)
    )
    partial.chmod(0o755)  # mkdtemp's is for its owner's eyes only
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, folder: Path, force: bool | None, option: str) -> None:
    require_free(folder, force, option)  # it may have appeared meanwhile
    if not folder.exists():
        partial.rename(folder)
        return
    with _partial_folder(folder) as attic:
        former = folder.rename(attic / folder.name)
        try:
            partial.rename(folder)
        except OSError:
            former.rename(folder)
            raise
