"""Writing an output folder so that it appears only when it is complete, by one process at a time."""

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
from reference.common.interrupts import postponed

# Names in the hidden folder beside the output folder:
_LOCK = "lock"  # file that the writing process locks
_NEW = "new"  # the new output folder, while it is filled
_FORMER = "former"  # the old output folder, while the new one replaces it

# Folders that this process has reserved but does not write yet → the hidden folder of each.
_reserved: dict[Path, Path] = {}

# What keeps an existing folder from being replaced, in words that follow "'folder' exists and"; None: nothing does.
Obstacle = Callable[[Path], str | None]


def no_artifact(folder: Path) -> str | None:
    """The obstacle of artifact folders: only an artifact, or an empty folder, may be replaced."""
    is_folder = folder.is_dir() and not folder.is_symlink()
    if is_folder and (is_artifact(folder) or not any(entries_below(folder))):
        return None
    return "is not an artifact folder, so it is not replaced: move it away"


def require_free(
    folder: Path, force: bool, choice: str = "output folder", obstacle: Obstacle = no_artifact
) -> None:
    """Raise OutputError if ``folder`` exists and must not, or cannot, be replaced.

    Args:
        folder: the folder that is to be written.
        force: whether an existing folder of the same kind may be replaced.
        choice: what error messages advise the user to choose another of.
        obstacle: says why a folder must not be replaced, or returns None if it may be.
    """
    if "\0" in str(folder):
        raise OutputError(f"{str(folder)!r}: no folder can have this name; choose another {choice}")
    require_outside_artifacts(folder)
    if not os.path.lexists(folder):
        return
    if not force:
        raise OutputError(
            f"'{folder}' exists: choose another {choice}, or replace it with --force (in Python: force=True)"
        )
    reason = obstacle(folder)
    if reason is not None:
        raise OutputError(f"'{folder}' exists and {reason}")


@contextlib.contextmanager
def reserved(
    folder: Path, force: bool, choice: str = "output folder", obstacle: Obstacle = no_artifact
) -> Iterator[None]:
    """Keep other processes from writing ``folder`` until the block ends. They get an error at once.

    ``staged`` writes the folder inside the block. A hidden folder beside it proves that it can be written. A process
    that is killed leaves only the hidden folder, and the next process takes it over.

    The arguments are those of ``require_free``.

    Raises:
        OutputError: another process is writing ``folder``, it exists and ``force`` is off, or it cannot be
            written.
    """
    require_free(folder, force, choice, obstacle)
    name = _real_name(folder)
    stack = contextlib.ExitStack()
    try:
        # An interruption in between would leave something behind.
        with postponed():
            for parent in reversed(_create(folder.parent, choice)):
                stack.callback(_remove_if_empty, parent)  # deepest first
            with _told_as_output_error(folder, choice):
                work = stack.enter_context(_locked(name, folder, choice))
                stack.callback(shutil.rmtree, work, ignore_errors=True)
                _put_back_former(work, name)
            require_free(
                folder, force, choice, obstacle
            )  # again, since a former folder may be back
            _reserved[name] = work
            stack.callback(_reserved.pop, name, None)
        yield
    finally:
        with postponed():
            stack.close()


@contextlib.contextmanager
def staged(
    folder: Path, force: bool, choice: str = "output folder", obstacle: Obstacle = no_artifact
) -> Iterator[Path]:
    """Yield a hidden folder to fill, which becomes ``folder`` in one step if the block ends without an error.

    If the block fails, ``folder`` stays as it was. A process that is killed leaves at most a hidden folder whose name
    ends in ``.partial``. The folder is reserved during the block, if it is not reserved already.

    The arguments are those of ``require_free``.

    Raises:
        OutputError: for the reasons that ``reserved`` lists.
    """
    name = _real_name(folder)
    with contextlib.ExitStack() as stack:
        if name not in _reserved:
            stack.enter_context(reserved(folder, force, choice, obstacle))
        work = _reserved.pop(name)  # so that another thread of this process is refused
        stack.callback(_reserved.setdefault, name, work)
        stack.enter_context(_told_as_output_error(folder, choice))
        new = work / _NEW
        stack.callback(shutil.rmtree, new, ignore_errors=True)
        new.mkdir()
        yield new
        require_free(folder, force, choice, obstacle)  # the folder may have appeared meanwhile
        _publish(new, name)


def empty(folder: Path) -> None:
    """Remove everything in a folder."""
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _real_name(folder: Path) -> Path:
    """Return the one name of a folder, however the path is written."""
    return folder.parent.resolve() / folder.name


def _create(folder: Path, choice: str) -> list[Path]:
    """Create ``folder`` and its parents, and return the created ones, deepest first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        for path in (folder, *folder.parents):
            if path.exists() and not path.is_dir():
                raise OutputError(
                    f"'{path}' is a file: expected a folder; choose another {choice}"
                ) from error
        raise OutputError(
            f"cannot create '{folder}': {error.strerror or error}; choose another {choice}"
        ) from error
    return missing


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def _locked(name: Path, folder: Path, choice: str) -> Iterator[Path]:
    """Yield the hidden folder beside ``name``, locked by this process."""
    work = name.with_name(f".{name.name}.partial")
    while True:
        work.mkdir(exist_ok=True)
        try:
            lock = os.open(work / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # another process has just removed the hidden folder
            continue
        try:
            if not _lock(lock):
                raise OutputError(
                    f"'{folder}' is being written by another process: wait for it, or choose another {choice}"
                )
            if _is_still_there(lock, work / _LOCK):
                yield work
                return
        finally:
            os.close(lock)


def _lock(descriptor: int) -> bool:
    """Lock a file until it is closed or the process ends. Return False if another process has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the file system has no locks, so other processes cannot be detected
        return True
    return True


def _is_still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _put_back_former(work: Path, name: Path) -> None:
    """Undo the half-finished work of a process that was killed."""
    if (work / _FORMER).exists() and not os.path.lexists(name):
        (work / _FORMER).rename(name)
    for leftover in (_NEW, _FORMER):
        shutil.rmtree(work / leftover, ignore_errors=True)


def _publish(new: Path, name: Path) -> None:
    """Give the new folder its name. After an exchange, the old folder is removed with the hidden one."""
    if not name.exists():
        new.rename(name)
    elif not exchange(new, name):
        # If the process is killed after this line, the next one puts the old folder back.
        former = name.rename(new.with_name(_FORMER))
        try:
            new.rename(name)
        except OSError:
            former.rename(name)
            raise


@contextlib.contextmanager
def _told_as_output_error(folder: Path, choice: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write '{folder}': {_reason(error)}; check space and permissions, or "
            f"choose another {choice}"
        ) from error


def _reason(error: OSError) -> object:
    """Return the reason of an error. If several files could not be copied, return the reason of the first."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        _source, _target, reason = error.args[0][0]
        return reason
    return error.strerror or error
