"""The iOS sample app, as far as Linux can check it: its package's tests run, and all of its code is type-checked.

This needs Swift 6: on the path, or in the folder that sample_apps/ios/linux/toolchain.sh sets up. The environment
variable MOBILE_SAM_SWIFT names that folder; the default is ``swift`` in the user's cache (``reference.common.cache``).
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
from xml.etree import ElementTree

import numpy as np
import pytest

from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from reference.common.cache import cache_folder
from reference.photos.images import read_image
from reference.photos.preprocessing import photo_to_frame
from tests.support.measured_artifact import assert_measured
from tests.support.requirements import lack
from tests.support.tiny_variant import TINY
from validation.latency.device_results import read_device_results
from validation.latency.device_results_schema import IOS
from validation.latency.phones.ios_phone import TESTS
from validation.latency.phones.xcode import BUNDLE

REPOSITORY = Path(__file__).parents[2]
APP = REPOSITORY / "sample_apps" / "ios"
ARTIFACT = APP / "MobileSAMSample" / "Artifact"  # where the app finds its artifact
PROJECT = APP / "MobileSAMSample.xcodeproj"
SCRIPT = APP / "linux" / "toolchain.sh"
TIME_LIMIT = 900  # seconds; a build takes one minute


@dataclass(frozen=True)
class Workplace:
    """A folder that Swift sees, and how to run Swift there.

    Attributes:
        folder: the folder's path here.
        seen: the folder's path as Swift sees it.
        entry: the command that runs the toolchain's commands.
    """

    folder: Path
    seen: str
    entry: tuple[str, ...]

    def run(
        self, *command: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess:
        """Run a command in the folder."""
        settings = [f"{name}={value}" for name, value in (environment or {}).items()]
        return subprocess.run(
            (*self.entry, "env", "-C", self.seen, *settings, *command),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )


@pytest.fixture(scope="module")
def workplace() -> Iterator[Workplace]:
    """Copy the app and the golden vectors to where Swift can build them."""
    toolchain = Path(os.environ.get("MOBILE_SAM_SWIFT") or cache_folder() / "swift")
    if toolchain.is_dir() and os.geteuid() == 0:
        parent, entry = toolchain / "tmp", ("sh", str(SCRIPT), str(toolchain))
    elif shutil.which("swift"):
        parent, entry = None, ()
    else:
        lack(
            "swift",
            f"no Swift, or not as root; set it up: {SCRIPT.relative_to(REPOSITORY)} {toolchain}",
        )
    with tempfile.TemporaryDirectory(dir=parent, prefix="mobile-sam-ios-") as scratch:
        folder = Path(scratch)
        shutil.copytree(APP, folder / "ios", ignore=not_in_repository)
        shutil.copytree(APP.parent / "vectors", folder / "vectors")
        seen = f"/tmp/{folder.name}" if entry else scratch
        yield Workplace(folder, seen, entry)


def not_in_repository(directory: str, names: list[str]) -> list[str]:
    """Return the names in an app's folder that were built or copied there; for ``shutil.copytree``."""
    return [
        name
        for name in names
        if name in (".build", ".swiftpm") or Path(directory, name) == ARTIFACT
    ]


@pytest.fixture(scope="module")
def artifact(workplace) -> Path:
    """Put a Core ML artifact of the tiny model where the app expects it, and write its photos' pixels and frames."""
    converted = write_artifact(
        load_source("seeded", TINY.name), CoreMLOptions("none"), workplace.folder / "artifacts"
    )
    folder = shutil.copytree(converted, workplace.folder / "ios" / ARTIFACT.relative_to(APP))
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


@pytest.mark.slow
def test_code_is_formatted(workplace):
    """All Swift is as swift-format writes it, except the declarations of Apple's frameworks."""
    folders = ("MobileSAMKit", "MobileSAMSample", "MobileSAMSampleTests")
    linted = workplace.run(
        *("swift", "format", "lint", "--strict", "--recursive"),
        *(f"ios/{folder}" for folder in folders),
    )
    assert linted.returncode == 0, linted.stderr[-4000:]


@pytest.mark.slow
def test_package(workplace, artifact):
    """All tests of the package pass, none is left out, and Python reads the regression test's results."""
    results = workplace.folder / "device-results.json"
    tests = workplace.run(
        *("swift", "test", "--package-path", "ios/MobileSAMKit"),
        environment={
            "MOBILE_SAM_ARTIFACT": f"{workplace.seen}/ios/{ARTIFACT.relative_to(APP)}",
            "MOBILE_SAM_PIXELS": f"{workplace.seen}/pixels",
            "MOBILE_SAM_VECTORS": f"{workplace.seen}/vectors/vectors.json",
            "MOBILE_SAM_DEVICE_RESULTS": f"{workplace.seen}/device-results.json",
        },
    )
    errors = [line for line in tests.stdout.splitlines() if "error:" in line]
    assert tests.returncode == 0, "\n".join(errors) + tests.stderr[-4000:]
    assert "warning:" not in tests.stdout + tests.stderr
    assert "skipped" not in tests.stdout
    assert re.search(r"Executed \d\d tests, with 0 failures", tests.stdout)

    assert_measured(read_device_results(results), artifact, IOS)


@pytest.mark.slow
def test_apple_code(workplace):
    """Code that only Xcode can build, and the README's code, compiles without warnings against Apple's declarations."""
    (code,) = re.findall(r"```swift\n(.*?)```", (APP / "README.md").read_text(), re.DOTALL)
    (workplace.folder / "ios" / "MobileSAMSample" / "FromReadme.swift").write_text(code)
    checked = workplace.run("sh", "ios/linux/type-check.sh")
    assert checked.returncode == 0, checked.stdout[-4000:] + checked.stderr[-4000:]


def test_toolchain_script_says_how_it_is_used():
    used = subprocess.run(("sh", str(SCRIPT)), capture_output=True, text=True)
    assert used.returncode == 2
    assert used.stderr == "usage: toolchain.sh DIR [COMMAND...]\n"


def test_project_has_every_file():
    """The Xcode project has all objects that it mentions, and each target compiles its folder's files."""
    project = read_property_list((PROJECT / "project.pbxproj").read_text())
    objects = project["objects"]

    def named(texts) -> set[str]:
        return {
            text for text in texts if isinstance(text, str) and re.fullmatch("[0-9A-F]{24}", text)
        }

    mentioned = named(leaves(project))
    assert mentioned == set(objects)

    targets = {
        record["name"]: record for record in objects.values() if record["isa"] == "PBXNativeTarget"
    }
    assert set(targets) == {"MobileSAMSample", "MobileSAMSampleTests"}
    for name, target in targets.items():
        compiled = {
            objects[objects[file]["fileRef"]]["path"]
            for phase in target["buildPhases"]
            if objects[phase]["isa"] == "PBXSourcesBuildPhase"
            for file in objects[phase]["files"]
        }
        assert compiled == {path.name for path in (APP / name).glob("*.swift")}
    (package,) = (
        record for record in objects.values() if record["isa"] == "XCLocalSwiftPackageReference"
    )
    assert (APP / package["relativePath"] / "Package.swift").is_file()


def test_project_has_the_names_that_the_desktop_side_uses():
    text = (PROJECT / "project.pbxproj").read_text()
    assert f"PRODUCT_BUNDLE_IDENTIFIER = {BUNDLE};" in text
    scheme = ElementTree.parse(PROJECT / "xcshareddata" / "xcschemes" / "MobileSAMSample.xcscheme")
    built = {reference.get("BlueprintName") for reference in scheme.iter("BuildableReference")}
    identifiers = {
        reference.get("BlueprintIdentifier") for reference in scheme.iter("BuildableReference")
    }
    target, test = TESTS.split("/")
    assert built == {"MobileSAMSample", target}
    assert identifiers <= set(read_property_list(text)["objects"])
    assert f"final class {test}: XCTestCase" in (APP / target / f"{test}.swift").read_text()


def test_artifacts_stay_out_of_the_repository():
    """Git ignores what is copied to where the app expects it, and the folder itself is there."""
    files = [str(ARTIFACT / "manifest.json"), str(ARTIFACT / "a.mlpackage" / "Manifest.json")]
    ignored = subprocess.run(
        ("git", "check-ignore", *files), cwd=REPOSITORY, capture_output=True, text=True
    )
    assert ignored.stdout.split("\n")[:-1] == files
    assert ARTIFACT.is_dir()


def leaves(value: object) -> Iterator[object]:
    """Iterate over the keys and values of nested lists and dictionaries."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def read_property_list(text: str) -> dict:
    """Read an OpenStep property list, which is the format of Xcode's projects."""
    text = re.sub(r"/\*.*?\*/|^//.*$", "", text, flags=re.MULTILINE)
    tokens = iter(re.findall(r'"(?:[^"\\]|\\.)*"|[{}();=,]|[^\s{}();=,"]+', text))

    def value(token: str) -> object:
        if token == "{":
            record = {}
            while (key := next(tokens)) != "}":
                assert next(tokens) == "="
                record[key.strip('"')] = value(next(tokens))
                assert next(tokens) == ";"
            return record
        if token == "(":
            items = []
            while (item := next(tokens)) != ")":
                items.append(value(item))
                assert next(tokens) == ","
            return items
        return token.strip('"')

    document = value(next(tokens))
    assert next(tokens, None) is None
    return document
