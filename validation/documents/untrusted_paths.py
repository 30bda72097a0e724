"""Paths that a document names, which may be anybody's."""

from pathlib import Path


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, with its links followed, lies in a folder or below; one that cannot be followed does not."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a null character, or links that form a loop
        return False
