"""Finding the photos in a folder."""

from pathlib import Path

from reference.common.folders import files_below

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def find_photos(folder: Path) -> list[Path]:
    """Return all photos in a folder and its subfolders, sorted by name."""
    return [path for path in files_below(folder) if path.suffix.lower() in PHOTO_SUFFIXES]
