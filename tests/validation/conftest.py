"""Artifacts to validate: real conversions, of the tiny model wherever its size does not matter."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.manifest import list_files
from converters.torchscript.options import TorchScriptOptions
from validation.cli import main
from validation.engines import ENGINES, core_ml


@pytest.fixture(scope="session")
def tiny_folders(tiny_source, tmp_path_factory) -> dict[str, Path]:
    """The tiny model in both formats, float32; tests must not change them."""
    output = tmp_path_factory.mktemp("tiny")
    return {
        "torchscript": write_artifact(tiny_source, TorchScriptOptions("none"), output),
        "coreml": write_artifact(tiny_source, CoreMLOptions("none"), output),
    }


@pytest.fixture
def tiny_artifact(tiny_model, tiny_folders, tmp_path) -> Path:
    """A TorchScript artifact of the tiny model, the test's own to change."""
    return shutil.copytree(tiny_folders["torchscript"], tmp_path / "tiny-torchscript")


@pytest.fixture
def tiny_package(tiny_model, tiny_folders, tmp_path) -> Path:
    """A Core ML artifact of the tiny model, the test's own to change."""
    return shutil.copytree(tiny_folders["coreml"], tmp_path / "tiny-coreml")


@pytest.fixture(scope="session")
def full_artifact(tmp_path_factory) -> Path:
    """The full-size model of the demo weights as TorchScript in float32; tests must not change it."""
    return write_artifact(
        load_source(), TorchScriptOptions("none"), tmp_path_factory.mktemp("full")
    )


@pytest.fixture
def tiny_gates(tmp_path) -> Path:
    """A gates file for the tiny model: the padding's rounding to 8 bits moves a pixel or two, of which
    its masks have few."""
    path = tmp_path / "gates.toml"
    path.write_text(
        "[coreml.none]\nmin_iou = 0.8\nmean_iou = 0.98\nmean_boundary_iou = 0.9\n"
        "min_same_choice = 0\n"
    )
    return path


class ExportedEngine:
    """A sound engine that needs no artifact: the export modules themselves."""

    name = "export modules"

    def __init__(self, sam) -> None:
        self._image_encoder = ChannelsFirstImageEncoder(sam).eval()
        self._mask_decoder = ChannelsFirstMaskDecoder(sam).eval()

    @torch.no_grad()
    def encode(self, frame):
        return self._image_encoder(frame)

    @torch.no_grad()
    def decode(self, image_embeddings, prompt):
        return self._mask_decoder(image_embeddings, *prompt.tensors)


@pytest.fixture
def tiny_engine(tiny_source) -> ExportedEngine:
    return ExportedEngine(tiny_source.sam)


@pytest.fixture
def no_core_ml(monkeypatch) -> None:
    """Let the engine core_ml be missing on a Mac, too."""
    monkeypatch.setitem(ENGINES["coreml"], "core_ml", _core_ml_off_the_mac)


def _core_ml_off_the_mac():
    return partial(core_ml.open_engine, core_ml=core_ml.CoreML(system="linux"))


@pytest.fixture
def edit_manifest() -> Callable[[Path, Callable[[dict], None]], None]:
    """Change an artifact's manifest in place."""

    def edit(folder, change):
        path = folder / "manifest.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return edit


@pytest.fixture
def accept_files(edit_manifest) -> Callable[[Path], None]:
    """Make a manifest list the files of its folder as they are now."""

    def accept(folder):
        edit_manifest(folder, lambda document: document.update(files=list_files(folder)))

    return accept


@pytest.fixture
def empty_goldens(accept_files) -> Callable[[Path], None]:
    """Replace all golden masks of an artifact by empty ones, so that agreement with them proves nothing."""

    def empty(folder):
        for path in (folder / "goldens").glob("*.low_res_masks.f32"):
            masks = np.fromfile(path, "<f4")
            np.full_like(masks, -1).tofile(path)
        accept_files(folder)

    return empty


@pytest.fixture
def validate(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command: exit status, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


@pytest.fixture
def refuses(validate, tmp_path) -> Callable[..., None]:
    """Check that a command is refused: one line, status 2, and nothing written."""

    def check(expected, *arguments):
        before = sorted(tmp_path.rglob("*"))
        status, out, err = validate(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("validate: error: ")
        assert err.count("\n") == 1
        assert expected in err
        assert sorted(tmp_path.rglob("*")) == before

    return check
