"""Checks of paths that are about to be read.

Only regular files are read. Opening a pipe waits for its other end, and a device may never end.
"""

import os
import stat
from pathlib import Path

from reference.common.errors import MobileSAMError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def special_kind(status: os.stat_result) -> str | None:
    """Return what a path is if it is not a regular file, such as "a pipe"; None for a regular file."""
    kinds = (kind for is_kind, kind in _KINDS if is_kind(status.st_mode))
    return next(kinds, None if stat.S_ISREG(status.st_mode) else "a special file")


def require_regular_file(path: Path, error: type[MobileSAMError], expected: str) -> os.stat_result:
    """Refuse a path that is not a regular file, before it is opened. Links are followed.

    Standard input counts as a regular file if it is redirected from one.

    Args:
        path: path that is about to be read.
        error: class of the error to raise.
        expected: end of the error message, such as "expected a photo".

    Returns:
        The status of the file, such as its size.

    Raises:
        OSError: the file does not exist or cannot be inspected, as when it is opened.
        ValueError: no file can have this name.
    """
    status = path.stat()
    kind = special_kind(status)
    if kind is not None:
        raise error(f"{path}: {kind}, not a regular file; {expected}")
    return status


def require_possible(path: Path, error: type[MobileSAMError]) -> None:
    """Refuse a path whose existence cannot even be tested, such as one that is too long.

    Args:
        path: path that is about to be inspected.
        error: class of the error to raise.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as failure:
        raise error(f"{path}: cannot be read ({failure.strerror or failure})") from None
    except ValueError:  # a null character
        raise error(f"{str(path)!r}: is not a path: expected a file or folder") from None


def require_utf8(path: Path, error: type[MobileSAMError]) -> None:
    """Refuse a path that is not valid UTF-8, because torch and coremltools cannot open it.

    Args:
        path: path that torch or coremltools is about to read or write.
        error: class of the error to raise.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise error(
            f"{path}: the name is not valid UTF-8, which torch and coremltools need; rename it"
        ) from None
