"""The iOS sample app, as far as Linux can tell: its package's tests run, and all of its code is type-checked.

They need Swift 6: on the path, or in the folder that sample_apps/ios/linux-toolchain.sh sets up, which is
the one that MOBILE_SAM_SWIFT names, or else ``swift`` in the user's cache (``reference.cache``).
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tiny_variant import TINY

from converters.convert import convert, load_source
from converters.coreml import CoreMLOptions
from reference.cache import cache_folder
from reference.images import read_image
from reference.preprocessing import photo_to_frame
from reference.variants import VARIANTS
from validation.device_results import IOS, read_device_results

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
APP = REPOSITORY / "sample_apps" / "ios"
SCRIPT = APP / "linux-toolchain.sh"
TIME_LIMIT = 900  # seconds; a build takes one minute


@dataclass(frozen=True)
class Workplace:
    """A folder that Swift sees, and how to run Swift there.

    Attributes:
        folder: its path here.
        seen: its path as Swift sees it.
        entry: the command that the toolchain's commands are put after.
    """

    folder: Path
    seen: str
    entry: tuple[str, ...]

    def run(
        self, *command: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess:
        """Run a command in the folder, and return what it printed."""
        settings = [f"{name}={value}" for name, value in (environment or {}).items()]
        return subprocess.run(
            (*self.entry, "env", "-C", self.seen, *settings, *command),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )


@pytest.fixture(scope="module")
def workplace() -> Iterator[Workplace]:
    """A copy of the app and the golden vectors, where Swift can build them."""
    toolchain = Path(os.environ.get("MOBILE_SAM_SWIFT") or cache_folder() / "swift")
    if toolchain.is_dir() and os.geteuid() == 0:
        parent, entry = toolchain / "tmp", ("sh", str(SCRIPT), str(toolchain))
    elif shutil.which("swift"):
        parent, entry = None, ()
    else:
        pytest.skip(
            f"NOT RUN: no Swift, or not as root; set it up: {SCRIPT.relative_to(REPOSITORY)} {toolchain}"
        )
    with tempfile.TemporaryDirectory(dir=parent, prefix="mobile-sam-ios-") as scratch:
        folder = Path(scratch)
        ignored = shutil.ignore_patterns(".build", ".swiftpm", "*.mlpackage")
        shutil.copytree(APP, folder / "ios", ignore=ignored)
        shutil.copytree(APP.parent / "vectors", folder / "vectors")
        seen = f"/tmp/{folder.name}" if entry else scratch
        yield Workplace(folder, seen, entry)


@pytest.fixture(scope="module")
def artifact(workplace) -> Path:
    """A Core ML artefact of the tiny model in the workplace, with its photos' pixels and frames beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, TINY.name, TINY)
        folder = convert(
            load_source("demo", TINY.name), CoreMLOptions("none"), workplace.folder / "artifacts"
        )
    manifest = json.loads((folder / "manifest.json").read_bytes())
    preprocessing = manifest["preprocessing"]
    padding = np.array(preprocessing["padding_rgb"], np.uint8)
    pixels = workplace.folder / "pixels"
    pixels.mkdir()
    document = folder / manifest["goldens"]
    for name, photo in json.loads(document.read_bytes())["photos"].items():
        image = read_image(document.parent / photo["file"])
        frame = photo_to_frame(image, preprocessing["frame_size"], padding)
        (pixels / f"{name}.rgb").write_bytes(image.tobytes())
        (pixels / f"{name}.frame").write_bytes(frame[0].transpose(1, 2, 0).tobytes())
    return folder


def test_package(workplace, artifact):
    """Arithmetic, whole path and regression test: all pass, none is left out, and Python reads the results."""
    results = workplace.folder / "device-results.json"
    tests = workplace.run(
        *("swift", "test", "--package-path", "ios/MobileSAMKit"),
        environment={
            "MOBILE_SAM_ARTIFACT": f"{workplace.seen}/artifacts/{artifact.name}",
            "MOBILE_SAM_PIXELS": f"{workplace.seen}/pixels",
            "MOBILE_SAM_VECTORS": f"{workplace.seen}/vectors/vectors.json",
            "MOBILE_SAM_DEVICE_RESULTS": f"{workplace.seen}/device-results.json",
        },
    )
    assert tests.returncode == 0, tests.stdout[-4000:] + tests.stderr[-4000:]
    assert "warning:" not in tests.stdout + tests.stderr
    assert "skipped" not in tests.stdout
    assert re.search(r"Executed \d\d tests, with 0 failures", tests.stdout)

    measured = read_device_results(results)
    manifest = json.loads((artifact / "manifest.json").read_bytes())
    goldens = json.loads((artifact / manifest["goldens"]).read_bytes())
    assert measured.failure is None
    assert measured.device.platform == IOS
    assert [case.name for case in measured.cases] == [case["name"] for case in goldens["cases"]]
    assert not measured.wrong_cases
    counted = {
        path: {"bytes": file.bytes, "sha256": file.sha256}
        for path, file in measured.artifact.files.items()
    }
    assert counted == manifest["files"]
