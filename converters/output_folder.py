"""An artifact folder, or any other, is there whole or not at all, and one process at a time writes it."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from converters.exchange import exchange
from reference.common.artifact_marker import is_artifact, require_outside_artifacts
from reference.common.errors import OutputError
from reference.common.folders import entries_below

# In the hidden folder beside the one that is written, which is named after it:
_LOCK = "lock"  # held by the process that writes
_NEW = "new"  # what will be the folder
_FORMER = "former"  # what was the folder, for the moment when the new one takes its place

# Folders that this process has reserved and is not writing yet, and the hidden one of each.
_reserved: dict[Path, Path] = {}

# What keeps an existing folder from being replaced, in words that follow "'folder' exists and"; None: nothing does.
Obstacle = Callable[[Path], str | None]


def no_artifact(folder: Path) -> str | None:
    """The obstacle of artifact folders: only an artifact, or an empty folder, may be replaced."""
    is_folder = folder.is_dir() and not folder.is_symlink()
    if is_folder and (is_artifact(folder) or not any(entries_below(folder))):
        return None
    return "is not an artifact folder, so --force will not replace it: move it away"


def require_free(
    folder: Path, force: bool, option: str = "--output", obstacle: Obstacle = no_artifact
) -> None:
    """Raise OutputError if ``folder`` exists and must not, or cannot, be replaced.

    Args:
        folder: to be written.
        force: whether a folder of the same kind in its place is replaced.
        option: what the user named the folder with.
        obstacle: tells a folder that may be replaced from others.
    """
    if "\0" in str(folder):
        raise OutputError(f"{str(folder)!r}: no folder can have this name; choose another {option}")
    require_outside_artifacts(folder)
    if not os.path.lexists(folder):
        return
    if not force:
        raise OutputError(f"'{folder}' exists: choose another {option}, or --force to replace it")
    reason = obstacle(folder)
    if reason is not None:
        raise OutputError(f"'{folder}' exists and {reason}")


@contextlib.contextmanager
def reserved(
    folder: Path, force: bool, option: str = "--output", obstacle: Obstacle = no_artifact
) -> Iterator[None]:
    """Keep other processes from writing ``folder`` until the block ends: they are told at once.

    In the block, ``staged`` writes it. That it can be written is known as well: there is a hidden folder
    beside it by now. A process that is killed leaves no more than that; the next one takes it over.

    The arguments are those of ``require_free``.

    Raises:
        OutputError: another process is writing ``folder``, it exists and ``force`` is off, or it cannot be
            written.
    """
    require_free(folder, force, option, obstacle)
    name = _real_name(folder)
    created = _create(folder.parent, option)
    with contextlib.ExitStack() as stack:
        for parent in reversed(created):  # at the end, deepest first; those in use stay
            stack.callback(_remove_if_empty, parent)
        with _told_as_output_error(folder, option):
            work = stack.enter_context(_locked(name, folder, option))
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            _put_back_former(work, name)
        require_free(folder, force, option, obstacle)  # also what was put back
        _reserved[name] = work
        stack.callback(_reserved.pop, name, None)
        yield


@contextlib.contextmanager
def staged(
    folder: Path, force: bool, option: str = "--output", obstacle: Obstacle = no_artifact
) -> Iterator[Path]:
    """A hidden folder to fill, which becomes ``folder`` in one step when the block ends without an error.

    Whatever stops the block, ``folder`` is as it was; a process that is killed leaves at most a hidden folder
    whose name ends in ``.partial``. The folder is reserved meanwhile, if it is not yet.

    The arguments are those of ``require_free``.

    Raises:
        OutputError: as ``reserved``.
    """
    name = _real_name(folder)
    with contextlib.ExitStack() as stack:
        if name not in _reserved:
            stack.enter_context(reserved(folder, force, option, obstacle))
        work = _reserved.pop(name)  # once: another thread of this process would be refused
        stack.callback(_reserved.setdefault, name, work)
        stack.enter_context(_told_as_output_error(folder, option))
        new = work / _NEW
        stack.callback(shutil.rmtree, new, ignore_errors=True)
        new.mkdir()
        yield new
        require_free(folder, force, option, obstacle)  # it may have appeared meanwhile
        _publish(new, name)


def _real_name(folder: Path) -> Path:
    """One name for one folder, however it is written."""
    return folder.parent.resolve() / folder.name


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


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def _locked(name: Path, folder: Path, option: str) -> Iterator[Path]:
    """The hidden folder beside ``name``, held by this process alone."""
    work = name.with_name(f".{name.name}.partial")
    while True:
        work.mkdir(exist_ok=True)
        try:
            lock = os.open(work / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # another process was done with it just now
            continue
        try:
            if not _lock(lock):
                raise OutputError(
                    f"'{folder}' is being written by another process: wait for it, or choose another {option}"
                )
            if _is_still_there(lock, work / _LOCK):
                yield work
                return
        finally:
            os.close(lock)


def _lock(descriptor: int) -> bool:
    """Whether no other process has locked the file; it is then locked until it is closed, or the process ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, where nothing tells two processes apart
        return True
    return True


def _is_still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _put_back_former(work: Path, name: Path) -> None:
    """Undo what a process that was killed left half done."""
    if (work / _FORMER).exists() and not os.path.lexists(name):
        (work / _FORMER).rename(name)
    for leftover in (_NEW, _FORMER):
        shutil.rmtree(work / leftover, ignore_errors=True)


def _publish(new: Path, name: Path) -> None:
    if not name.exists():
        new.rename(name)
    elif not exchange(new, name):  # and what was there is removed with the hidden folder
        former = name.rename(new.with_name(_FORMER))  # killed now, the next process puts it back
        try:
            new.rename(name)
        except OSError:
            former.rename(name)
            raise


@contextlib.contextmanager
def _told_as_output_error(folder: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write '{folder}': {_reason(error)}; check space and permissions, or "
            f"choose another {option}"
        ) from error


def _reason(error: OSError) -> object:
    """Why; of several files that could not be copied, as coremltools copies weights, the first one's."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        _source, _target, reason = error.args[0][0]
        return reason
    return error.strerror or error
