"""What a command refuses by looking at options and files alone, it refuses without importing torch."""

import json
import subprocess
import sys

import pytest
from PIL import Image

# Refuses each command line in turn, and reports its status, its message, and the heavy modules that are there then.
SCRIPT = """
import contextlib, importlib, io, json, sys

module, lines = sys.argv[1], json.loads(sys.argv[2])
main = importlib.import_module(module).main
heavy = {"torch", "torchvision", "coremltools", "timm", "scipy", "skimage", "sklearn"}
outcomes = []
for line in lines:
    stderr, status = io.StringIO(), None
    with contextlib.redirect_stderr(stderr):
        try:
            main(line)
        except SystemExit as end:
            status = end.code
    outcomes.append([line, status, stderr.getvalue(), sorted(heavy & sys.modules.keys())])
print(json.dumps(outcomes))
"""

CONVERT = [
    "coreml --quantize nope",
    "coreml --quantize int4 --deployment-target iOS16",
    "coreml --deployment-target iOS9",
    "coreml --prompt-slots 0",
    "coreml --model nope",
    "coreml --model tiny",
    "coreml --output text.txt",
    "torchscript --quantize int4",
    "torchscript --bytecode-version 3",
    "torchscript --checkpoint missing.pt",
    "torchscript --checkpoint text.txt",
    "torchscript --checkpoint photo.png",
    "torchscript --checkpoint .",
    "all --quantize lut4",
    "all --model tiny --checkpoint official",
    "nope",
]
SEGMENT = [
    "photo.png --point 1,1",
    "photo.png --json",
    "photo.png --json --point 999,1",
    "photo.png --json --point x,1",
    "photo.png --json --point 1,1 --model nope",
    "photo.png --json --point 1,1 --model tiny",
    "photo.png --json --point 1,1 --checkpoint missing.pt",
    "photo.png --json --point 1,1 --checkpoint text.txt",
    "photo.png --point 1,1 --output missing/overlay.png",
    "photo.png --point 1,1 --output overlay.txt",
    "text.txt --json --point 1,1",
    "missing.jpg --json --point 1,1",
]
VALIDATE = [
    "compare missing",
    "compare text.txt",
    "compare ARTIFACT --engine nope",
    "compare ARTIFACT --gates missing.toml",
    "compare ARTIFACT --checkpoint missing.pt",
    "compare ARTIFACT --images text.txt",
    "compare ARTIFACT --prompts text.txt",
    "compare ARTIFACT --latency times.json",
    "show missing photo.png --json --point 1,1",
    "show ARTIFACT text.txt --json --point 1,1",
    "show ARTIFACT photo.png --json --point 999,1",
    "latency missing",
    "latency ARTIFACT --target nope",
    "regress missing --baseline baseline.json",
    "regress ARTIFACT --baseline missing.json",
    "regress ARTIFACT --baseline text.txt",
    "ingest missing.json",
    "ingest text.txt --baseline missing.json",
    "accuracy missing",
    "accuracy text.txt",
    "accuracy demo --model tiny",
    "accuracy demo --dataset missing",
    "accuracy demo --gates missing.toml",
    "accuracy ARTIFACT --checkpoint missing.pt",
    "cost missing",
    "setup nope",
]


@pytest.mark.parametrize(
    ("module", "lines"),
    [("converters.cli", CONVERT), ("reference.cli", SEGMENT), ("validation.cli", VALIDATE)],
    ids=["convert", "segment", "validate"],
)
def test_refusals_import_nothing_heavy(module, lines, tiny_artifact, tmp_path):
    (tmp_path / "text.txt").write_text("This is neither a photo nor a document.")
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    files = set(tmp_path.rglob("*"))
    arguments = [line.replace("ARTIFACT", tiny_artifact.name).split() for line in lines]
    command = [sys.executable, "-c", SCRIPT, module, json.dumps(arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    for line, status, message, heavy in json.loads(done.stdout):
        assert (line, status, heavy) == (line, 2, [])
        assert message.count("\n") == 1, message
    assert set(tmp_path.rglob("*")) == files
