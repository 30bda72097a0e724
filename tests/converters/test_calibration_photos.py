"""``convert --calibration``: photos of the user's own."""

import json

import numpy as np
import pytest
from PIL import Image

from converters.cli import main
from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions


@pytest.fixture
def photos(tmp_path, flower):
    """A folder with two photos, one of them in a folder of its own, and a text."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(flower).save(folder / "flower.png")
    Image.fromarray(np.rot90(flower).copy()).save(folder / "more" / "turned.JPG")
    (folder / "readme.txt").write_text("not a photo")
    return folder


def run(arguments, capsys):
    """Run the command, and return its exit status, stdout and stderr."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return exit_.value.code, captured.out, captured.err


def weights_of(folder):
    return sorted(path.read_bytes() for path in folder.rglob("weight.bin"))


def test_weights_are_rounded_for_the_photos(tiny_source, tiny_model, photos, tmp_path):
    own = load_source("seeded", tiny_model, calibration=photos)
    for_own, for_built_in = (
        write_artifact(source, CoreMLOptions("int8"), tmp_path / name)
        for name, source in (("own", own), ("built-in", tiny_source))
    )
    assert weights_of(for_own) != weights_of(for_built_in)
    manifests = [
        json.loads((folder / "manifest.json").read_text()) for folder in (for_own, for_built_in)
    ]
    calibrations = [manifest["calibration"] for manifest in manifests]
    assert [(each["source"], each["photos"]) for each in calibrations] == [
        ("folder", 2),
        ("built-in", 6),
    ]
    assert calibrations[0]["sha256"] != calibrations[1]["sha256"]


def test_the_same_photos_give_the_same_artifact(tiny_model, photos, tmp_path, capsys):
    found = []
    for name in ("one", "two"):
        arguments = ["torchscript", "--model", tiny_model, "--checkpoint", "seeded", "--quantize"]
        arguments += ["int8", "--calibration", photos, "--output", tmp_path / name]
        status, *_ = run(arguments, capsys)
        assert status == 0
        (folder,) = (tmp_path / name).iterdir()
        found.append({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder, "no such folder: expected a folder with photos"),
        (lambda folder: folder.write_text("text"), "no such folder: expected a folder with photos"),
        (lambda folder: folder.mkdir(), "has 0 photos ending in .jpg"),
        (lambda folder: many_photos(folder, 65), "has 65 photos ending in .jpg"),
        (lambda folder: broken_photo(folder), "broken.jpg"),
    ],
    ids=["missing", "a file", "empty", "too many", "broken"],
)
def test_folders_without_usable_photos_are_refused(tiny_model, tmp_path, capsys, make, expected):
    make(tmp_path / "photos")
    arguments = ["coreml", "--model", tiny_model, "--checkpoint", "seeded"]
    arguments += ["--calibration", tmp_path / "photos", "--output", tmp_path / "artifacts"]
    status, out, err = run(arguments, capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert expected in err
    assert not (tmp_path / "artifacts").exists()


def many_photos(folder, count):
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (4, 4)).save(folder / f"{number}.png")


def broken_photo(folder):
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
