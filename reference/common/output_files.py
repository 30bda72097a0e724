"""Writing a file so that it appears under its name only once it is complete."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reference.common.artifact_marker import require_outside_artifacts
from reference.common.errors import OutputError
from reference.common.input_files import special_kind


def require_writable(path: Path) -> None:
    """Refuse an output before the work that it could not hold in the end. Existing files are not changed.

    Raises:
        OutputError: the path is a folder, a pipe, a socket or a write-protected file, lies inside an artifact, or
            has a parent folder that is missing or not writable.
    """
    with _told_as_output_error(path):
        target = _target(path)
        if isinstance(target, int):
            return
        if target.exists():
            # Opening for appending changes nothing, and shows more than permissions do.
            os.close(os.open(target, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOCTTY", 0)))
        if _is_special(target):
            return
        require_outside_artifacts(path)
        if not target.parent.is_dir():
            missing = target.parent if path.is_symlink() else path.parent
            raise OutputError(f"{path}: there is no folder {missing}; create it first")
        # Only a new file proves that the folder is writable: permissions do not show a read-only disk.
        with _draft_of(target) as draft:
            draft.touch(exist_ok=False)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a draft to write to, which replaces ``path`` if the block ends without an error.

    If ``path`` is a symbolic link, its target is replaced and the link stays. If a file has several names (hard
    links), only this one changes. Devices such as /dev/null, pipes that the process was started with, and the file
    that standard output goes to are written directly.

    Raises:
        OutputError: the file system refuses. ``path`` is then unchanged.
    """
    with _told_as_output_error(path):
        target = _target(path)
        if isinstance(target, int) or _is_special(target):
            with tempfile.TemporaryDirectory() as folder:
                draft = Path(folder) / path.name
                yield draft
                _write_through(draft, target)
            return
        with _draft_of(target) as draft:
            yield draft
            _replace(target, draft)


def _target(path: Path) -> Path | int:
    """Return the file that ``path`` leads to, or the number of an open stream of the process."""
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r}: no file can have this name; name another output")
    target = Path(os.path.realpath(path))
    try:
        status = path.stat()
    except FileNotFoundError:
        return target  # also for a link to a missing file
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{path}: is a folder; name a file in it, such as {path / 'result'}")
    stream = _stream(status)
    if stream is not None:
        return stream
    kind = special_kind(status)
    if kind is None:
        return target
    # Opening a named pipe waits for its reader, and closing it ends the reader.
    if not stat.S_ISCHR(status.st_mode):
        raise OutputError(f"{path}: is {kind}; name a file, or a device such as /dev/null")
    return path


def _stream(status: os.stat_result) -> int | None:
    """Return the number of the stream with this ``status``: standard output or error, or an inherited pipe."""
    is_pipe = stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)
    for descriptor in range(1, 256 if is_pipe else 3):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), status) and _takes_bytes(descriptor):
                return descriptor
    return None


def _takes_bytes(descriptor: int) -> bool:
    import fcntl  # not at the top of the module: Windows lacks it, and SAM works there

    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _write_through(draft: Path, target: Path | int) -> None:
    sys.stdout.flush()  # keeps the order of what was printed before
    target = os.dup(target) if isinstance(target, int) else target
    with draft.open("rb") as source, open(target, "wb") as sink:  # noqa: PTH123  may be a descriptor
        shutil.copyfileobj(source, sink)


def _replace(target: Path, draft: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.copymode(target, draft)
    try:
        draft.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        shutil.copyfile(draft, target)  # a file mounted into a container cannot be replaced


@contextlib.contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """Yield an unused name beside ``target``. A file of that name is removed afterwards."""
    draft = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _told_as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader stopped reading, which is not an error of the output
        raise
    except OSError as error:
        if isinstance(error, PermissionError) and path.is_file():
            raise OutputError(
                f"{path}: the file is write-protected; name another output"
            ) from error
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); name another output"
        ) from error
