"""Files that are read: regular ones only. To open a pipe waits for its other end, and a device may never end."""

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
    """What a path is, in words, such as "a pipe"; None for a regular file."""
    kinds = (kind for is_kind, kind in _KINDS if is_kind(status.st_mode))
    return next(kinds, None if stat.S_ISREG(status.st_mode) else "no regular file")


def require_regular_file(path: Path, error: type[MobileSAMError], expected: str) -> os.stat_result:
    """Refuse, before it is opened, what is there and is no regular file; links are followed.

    Standard input is one if a file is what it was redirected from.

    Args:
        path: about to be read.
        error: what is raised.
        expected: the rest of its message, such as "expected a photo".

    Returns:
        The file's status, such as its size.

    Raises:
        OSError: there is no such file, or it cannot be looked at; as opening it would raise.
        ValueError: a name that no file can have.
    """
    status = path.stat()
    kind = special_kind(status)
    if kind is not None:
        raise error(f"{path}: {kind}, not a regular file; {expected}")
    return status


def require_possible(path: Path, error: type[MobileSAMError]) -> None:
    """Refuse a path that cannot even be asked whether it is there, such as one that is too long.

    Args:
        path: about to be looked at.
        error: what is raised.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as failure:
        raise error(f"{path}: cannot be read ({failure.strerror or failure})") from None
    except ValueError:  # a null character
        raise error(f"{str(path)!r}: is no path; name a file or folder") from None


def require_utf8(path: Path, error: type[MobileSAMError]) -> None:
    """Refuse a path with bytes that are no UTF-8, which torch and coremltools cannot be given.

    Args:
        path: about to be read or written by them.
        error: what is raised.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise error(
            f"{path}: the name is no UTF-8, and torch and coremltools take no other; rename it"
        ) from None
