"""A file appears whole or not at all, also on a disk that fills up."""

import subprocess
import sys

import pytest

# In a child: the limit holds for a whole process, and can be lowered only. Beyond it, writing fails
# as on a full disk, in the middle of a file.
FILL_UP = """
import resource, sys
from pathlib import Path
from PIL import Image
from reference.errors import OutputError
from reference.images import write_image
from validation.json_file import write_json

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
path = Path(sys.argv[1])
try:
    if path.suffix == ".json":
        write_json(path, {"numbers": list(range(10_000))})
    else:
        write_image(Image.effect_noise((300, 300), 100).convert("RGB"), path)
except OutputError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("name", ["report.json", "overlay.png", "overlay.jpg"])
@pytest.mark.parametrize("before", [None, b"an earlier result"])
def test_disk_that_fills_up(tmp_path, name, before):
    path = tmp_path / name
    if before is not None:
        path.write_bytes(before)
    command = [sys.executable, "-c", FILL_UP, str(path)]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 1
    expected = f"{path}: cannot be written (File too large); name another output\n"
    assert child.stderr == expected
    assert [file.read_bytes() for file in tmp_path.iterdir()] == (
        [] if before is None else [before]
    )
