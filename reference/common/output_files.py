"""Files that appear under their name only once they are complete."""

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
    """Refuse at once what would be refused after all the work is done; nothing that exists is changed.

    Raises:
        OutputError: a folder, pipe or socket of that name, a protected file, a place in an artifact, a
            parent that is missing or takes no file.
    """
    with _told_as_output_error(path):
        target = _target(path)
        if isinstance(target, int):
            return
        if target.exists():
            # Appending nothing changes nothing, and shows more than permissions do.
            os.close(os.open(target, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOCTTY", 0)))
        if _is_special(target):
            return
        require_outside_artifacts(path)
        if not target.parent.is_dir():
            missing = target.parent if path.is_symlink() else path.parent
            raise OutputError(f"{path}: there is no folder {missing}; create it first")
        # Only a new file proves that the folder takes one: permissions do not tell of read-only disks.
        with _draft_of(target) as draft:
            draft.touch(exist_ok=False)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft to write to, which takes the place of ``path`` if the block ends without an error.

    Of a symbolic link the target is replaced, and the link stays; of a file with several names (hard
    links) only this one changes. What is no regular file is written through, as is the file that standard
    output already goes to: devices such as /dev/null, and pipes that the process was started with.

    Raises:
        OutputError: the file system refuses; ``path`` is then as it was.
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
    """What ``path`` leads to: a file's own name, or the number of a stream that the process has."""
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r}: no file can have this name; name another output")
    target = Path(os.path.realpath(path))
    try:
        status = path.stat()
    except FileNotFoundError:
        return target  # also if a link leads to nothing yet
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{path}: is a folder; name a file in it, such as {path / 'result'}")
    stream = _stream(status)
    if stream is not None:
        return stream
    kind = special_kind(status)
    if kind is None:
        return target
    if not stat.S_ISCHR(status.st_mode):  # opened, a pipe waits for its reader, or ends the reader
        raise OutputError(f"{path}: is {kind}; name a file, or a device such as /dev/null")
    return path


def _stream(status: os.stat_result) -> int | None:
    """The number of the stream that ``status`` is of: standard output or error, or an inherited pipe."""
    is_pipe = stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)
    for descriptor in range(1, 256 if is_pipe else 3):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), status) and _takes_bytes(descriptor):
                return descriptor
    return None


def _takes_bytes(descriptor: int) -> bool:
    import fcntl  # here: not on Windows, where SAM works as well

    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _write_through(draft: Path, target: Path | int) -> None:
    sys.stdout.flush()  # what was printed before comes before
    target = os.dup(target) if isinstance(target, int) else target
    with draft.open("rb") as source, open(target, "wb") as sink:  # noqa: PTH123
        shutil.copyfileobj(source, sink)


def _replace(target: Path, draft: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.copymode(target, draft)
    try:
        draft.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        shutil.copyfile(draft, target)  # it was mounted, as into a container, and cannot be moved


@contextlib.contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """A name beside ``target`` that is free, and free again afterwards."""
    draft = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _told_as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader has enough: no error of the output
        raise
    except OSError as error:
        if isinstance(error, PermissionError) and path.is_file():
            raise OutputError(
                f"{path}: the file is write-protected; name another output"
            ) from error
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); name another output"
        ) from error
