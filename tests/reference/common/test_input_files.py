"""Only regular files are read, because opening a pipe would wait for its other end forever."""

import os
import socket
import subprocess
import sys

import pytest

from reference.common.errors import ImageError, MobileSAMError, TrainingError
from reference.common.input_files import require_regular_file
from reference.photos.images import read_image
from reference.training.run_folder import RunFolder
from validation.accuracy.dataset import read_dataset
from validation.artifacts.artifact import load_artifact
from validation.gates import read_gates
from validation.latency.device_results import read_device_results
from validation.latency.recorded import read_latency
from validation.questions.prompts_file import read_prompts
from validation.regression.baseline import read_baseline
from validation.regression.limits import read_limits

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX only")


@pytest.fixture
def special(tmp_path, request, monkeypatch):
    """A path that is no regular file."""
    path = tmp_path / request.param
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "link":
        os.mkfifo(tmp_path / "target")
        path.symlink_to("target")
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(tmp_path)  # the names of sockets are short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(request.param)
    return path


KINDS = {"pipe": "a pipe", "link": "a pipe", "device": "a device", "socket": "a socket"}
KINDS["folder"] = "a folder"


@pytest.mark.parametrize("special", KINDS, indirect=True)
@pytest.mark.parametrize(
    "read",
    [
        read_image,
        read_gates,
        read_limits,
        read_prompts,
        read_baseline,
        read_device_results,
        read_latency,
    ],
)
def test_only_regular_files_are_read(special, read):
    with pytest.raises(
        MobileSAMError, match=f"{KINDS[special.name]}, not a regular file; expected"
    ):
        read(special)


@pytest.mark.parametrize(
    ("name", "read"), [("manifest.json", load_artifact), ("annotations.json", read_dataset)]
)
def test_a_folder_with_a_pipe_for_its_document(tmp_path, name, read):
    os.mkfifo(tmp_path / name)
    with pytest.raises(MobileSAMError, match="a pipe, not a regular file; expected"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["options.json", "state.pt", "metrics.jsonl"])
def test_a_training_whose_files_are_pipes(tmp_path, name):
    os.mkfifo(tmp_path / name)
    folder = RunFolder(tmp_path)
    with pytest.raises(TrainingError, match=f"{name}: a pipe, not a regular file"):
        folder.begin({})
        folder.read_state()
        folder.forget_after(0)


def test_files_pass_with_their_size_also_as_standard_input(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert require_regular_file(path, ImageError, "expected nothing else").st_size == 5
    code = "import sys; from validation.gates import read_gates; read_gates(__import__('pathlib').Path(sys.argv[1]))"
    path.write_text("[coreml.int8]\nmin_iou = 0.9\n")
    with path.open() as file:
        subprocess.run([sys.executable, "-c", code, "/dev/stdin"], stdin=file, check=True)


def test_a_missing_file_is_left_to_the_reader_to_report(tmp_path):
    with pytest.raises(FileNotFoundError):
        require_regular_file(tmp_path / "none", ImageError, "")
