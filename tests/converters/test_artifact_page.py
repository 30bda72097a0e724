"""The client on docs/artifact-folder.md reads what ``convert`` writes, and refuses what was altered."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.torchscript.options import TorchScriptOptions
from tests.support.tiny_variant import TINY

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "artifact-folder.md"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The tiny model in both formats; tests must not change the folders."""
    output = tmp_path_factory.mktemp("page")
    source = load_source("seeded", TINY.name)
    return {
        "torchscript": write_artifact(source, TorchScriptOptions("int8"), output),
        "coreml": write_artifact(source, CoreMLOptions("fp16"), output),
    }


def run_client(folder: Path, tmp_path: Path) -> subprocess.CompletedProcess:
    """Run the page's last Python block, as a file of its own."""
    client = tmp_path / "client.py"
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    client.write_text(blocks[-1], encoding="utf-8")
    command = [sys.executable, str(client), str(folder)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["torchscript", "coreml"])
def test_client_gets_the_mask_of_the_reference(folders, tmp_path, kind):
    result = run_client(folders[kind], tmp_path)
    assert result.returncode == 0, result.stderr
    iou = re.fullmatch(
        r"one_point: mask [123], score -?\d\.\d{3}, IoU (\d\.\d{3})\n", result.stdout
    )
    assert float(iou[1]) > 0.9


def test_client_refuses_an_altered_file(folders, tmp_path):
    folder = shutil.copytree(folders["torchscript"], tmp_path / "altered")
    (path,) = folder.glob("*_mask_decoder.ptl")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    result = run_client(folder, tmp_path)
    assert f"{path.name} was altered" in result.stderr
