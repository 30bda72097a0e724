"""Makes the system read files from the disk again, as it does after an app is installed."""

import os
from collections.abc import Iterable
from pathlib import Path

from reference.common.folders import files_below
from validation.artifacts.artifact import Artifact


def forget_files(paths: Iterable[Path]) -> str | None:
    """Ask the system to drop ``paths`` from its file cache.

    A file system that lives in memory keeps the files without reporting it.

    Returns:
        None if the system was asked, or the reason why it was not.
    """
    if not hasattr(os, "posix_fadvise"):
        return "this system offers no way to empty its file cache"
    try:
        for path in paths:
            with path.open("rb") as file:
                os.fsync(file.fileno())  # unwritten data cannot be dropped
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        return f"the system does not empty its file cache ({error.strerror})"
    return None


def forget_artifact(artifact: Artifact) -> str | None:
    """Call ``forget_files`` for the files of an artifact's models."""
    return forget_files(file for path in artifact.components.values() for file in files_below(path))
