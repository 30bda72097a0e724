"""Listing a folder without the files that operating systems leave in it.

All listings use this one rule: photos, artifacts, and the packages inside artifacts.
"""

import fnmatch
from collections.abc import Iterator
from pathlib import Path, PurePath

# Patterns of lower-case names of files and folders, from GitHub's gitignore template for each system.
_LEFT_BY_SYSTEMS = (
    # macOS. "._" files hold metadata that other file systems cannot store.
    *("._*", ".ds_store", "icon\r", ".localized", ".volumeicon.icns", "__macosx"),
    *(".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems", ".documentrevisions-v100"),
    *(".apdisk", ".appledouble", ".appledb", ".appledesktop", ".com.apple.timemachine.*"),
    *("network trash folder", "temporary items"),
    # Windows. A file downloaded there leaves a "photo.jpg:Zone.Identifier" in a Linux folder.
    *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
    *("$recycle.bin", "system volume information", "*:zone.identifier"),
    # Linux. ".nfs" and ".fuse_hidden" files were deleted while a program had them open.
    *(".directory", ".trash-[0-9]*", ".nfs*", ".fuse_hidden*", "lost+found"),
    # Synology and QNAP servers.
    *("@eadir", "#recycle", "#snapshot", "*@synoeastream", "*@synoresource", ".@__thumb"),
)


def is_left_by_system(path: PurePath) -> bool:
    """Return whether an operating system left this file, or a folder that contains it.

    Args:
        path: path relative to the listed folder, since the name of that folder does not count.
    """
    return any(
        fnmatch.fnmatchcase(part.lower(), pattern)
        for part in path.parts
        for pattern in _LEFT_BY_SYSTEMS
    )


def entries_below(folder: Path) -> Iterator[Path]:
    """Yield all files, folders and links below a folder, sorted by name."""
    for path in sorted(folder.rglob("*")):
        if not is_left_by_system(path.relative_to(folder)):
            yield path


def files_below(path: Path) -> list[Path]:
    """Return all files below a folder, sorted by name. For a file, return that file."""
    if not path.is_dir():
        return [path]
    return [entry for entry in entries_below(path) if entry.is_file()]


def size_of(path: Path) -> int:
    """Return the size in bytes of a file, or of all files below a folder."""
    return sum(file.stat().st_size for file in files_below(path))
