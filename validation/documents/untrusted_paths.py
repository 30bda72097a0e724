"""Checks of paths that come from untrusted documents."""

from pathlib import Path


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, with all links followed, lies in a folder or below; False if they cannot be followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a null character, or links that form a loop
        return False
