"""Exchanging two paths of the file system in one step, for which Python has no function."""

import ctypes
import os
import sys
from pathlib import Path

_AT_FDCWD = -100  # Linux: paths start from the working folder
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux, and RENAME_SWAP of macOS


def exchange(one: Path, other: Path) -> bool:
    """Exchange two paths, and return whether that worked. Some systems and file systems, such as NFS, cannot."""
    names = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "linux":
            renameat2 = ctypes.CDLL(None).renameat2  # glibc 2.28 of 2018
            return renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) == 0
        if sys.platform == "darwin":
            return ctypes.CDLL(None).renamex_np(*names, _EXCHANGE) == 0
    except AttributeError:  # another C library
        pass
    return False
