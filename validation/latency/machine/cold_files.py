"""Files that the system has to read from the disk again, as after an app's installation."""

import os
from collections.abc import Iterable
from pathlib import Path

from reference.common.folders import files_below
from validation.artifacts.artifact import Artifact


def forget_files(paths: Iterable[Path]) -> str | None:
    """Ask the system to drop what it caches of ``paths``; None if it was asked, or why not.

    A file system that lives in memory keeps them, and does not tell.
    """
    if not hasattr(os, "posix_fadvise"):
        return "this system offers no way to empty its file cache"
    try:
        for path in paths:
            with path.open("rb") as file:
                os.fsync(file.fileno())  # what is not yet written cannot be dropped
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        return f"the system does not empty its file cache ({error.strerror})"
    return None


def forget_artifact(artifact: Artifact) -> str | None:
    """``forget_files`` of an artifact's models."""
    return forget_files(file for path in artifact.components.values() for file in files_below(path))
