"""What is in a folder, without the files that operating systems leave there.

The one rule for every folder that is listed: photos, artifacts, the packages in them.
"""

import fnmatch
from collections.abc import Iterator
from pathlib import Path, PurePath

# Names, in small letters, of files and folders; after GitHub's gitignore templates for each system.
_LEFT_BY_SYSTEMS = (
    # macOS: "._" files hold what other file systems have no place for.
    *("._*", ".ds_store", "icon\r", ".localized", ".volumeicon.icns", "__macosx"),
    *(".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems", ".documentrevisions-v100"),
    *(".apdisk", ".appledouble", ".appledb", ".appledesktop", ".com.apple.timemachine.*"),
    *("network trash folder", "temporary items"),
    # Windows; "photo.jpg:Zone.Identifier" is what its downloads become in a Linux folder.
    *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
    *("$recycle.bin", "system volume information", "*:zone.identifier"),
    # Linux; ".nfs" and ".fuse_hidden" files were deleted while a program had them open.
    *(".directory", ".trash-[0-9]*", ".nfs*", ".fuse_hidden*", "lost+found"),
    # Synology's and QNAP's servers.
    *("@eadir", "#recycle", "#snapshot", "*@synoeastream", "*@synoresource", ".@__thumb"),
)


def is_left_by_system(path: PurePath) -> bool:
    """Whether an operating system left this file, or a folder that it is in.

    Args:
        path: relative to the folder that is listed, whose own name does not count.
    """
    return any(
        fnmatch.fnmatchcase(part.lower(), pattern)
        for part in path.parts
        for pattern in _LEFT_BY_SYSTEMS
    )


def entries_below(folder: Path) -> Iterator[Path]:
    """Everything in a folder and below it, folders and links included, in the order of the names."""
    for path in sorted(folder.rglob("*")):
        if not is_left_by_system(path.relative_to(folder)):
            yield path


def files_below(path: Path) -> list[Path]:
    """Every file in a folder and below it, in the order of the names; a file itself."""
    if not path.is_dir():
        return [path]
    return [entry for entry in entries_below(path) if entry.is_file()]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder and below it."""
    return sum(file.stat().st_size for file in files_below(path))
