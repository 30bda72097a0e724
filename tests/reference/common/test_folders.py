"""Files that operating systems leave in folders are never listed."""

from pathlib import Path

import pytest

from reference.common.folders import files_below, is_left_by_system, size_of

LEFT = (
    *("._photo.jpg", ".DS_Store", "Icon\r", ".Spotlight-V100/store.db", ".Trashes/501/photo.jpg"),
    *(".fseventsd/uuid", "__MACOSX/a/._b", ".AppleDouble/photo.jpg", ".localized"),
    *("Thumbs.db", "THUMBS.DB", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN/S-1-5/photo.jpg"),
    *("photo.jpg:Zone.Identifier", ".directory", ".Trash-1000/files/photo.jpg", "lost+found/x"),
    *(".nfs000000000a1b2c", ".fuse_hidden000a", "@eaDir/photo.jpg/SYNOPHOTO_THUMB_S.jpg"),
)
KEPT = (
    *("photo.jpg", ".photo.jpg", "_photo.jpg", "a.DS_Store", "thumbs.db.json", "Icon"),
    *("trashes/photo.jpg", "recycle.bin", "manifest.json~", "eaDir/photo.jpg", "weight.bin.swp"),
)


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize("folder", ["", "Data/weights/"])
def test_files_of_operating_systems_are_not_listed(folder, name):
    assert is_left_by_system(Path(folder + name))


@pytest.mark.parametrize("name", KEPT)
def test_files_of_people_are_listed(name):
    assert not is_left_by_system(Path(name))


def test_a_folder_is_listed_without_it(tmp_path):
    folder = tmp_path / "__MACOSX"  # its own name does not count
    for name in ("b.jpg", "a/c.jpg", "a/._c.jpg", "Thumbs.db", "__MACOSX/d.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")
    assert files_below(folder) == [folder / "a" / "c.jpg", folder / "b.jpg"]
    assert size_of(folder) == 8
    assert files_below(folder / "b.jpg") == [folder / "b.jpg"]
