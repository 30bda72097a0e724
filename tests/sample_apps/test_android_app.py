"""The Android sample app, as far as a desktop can tell: Maven compiles it against Android's own classes, and its tests
run on Robolectric. They need Java 17 or later, Maven, and what Maven Central has; packages are fetched once.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from measured_artifact import assert_measured
from tiny_variant import TINY

from converters.conversion import load_source, write_artifact
from converters.torchscript.export import TorchScriptOptions
from validation.latency.device_results import ANDROID, DeviceResults, read_device_results
from validation.latency.phones.adb import PACKAGE, RUNNER

REPOSITORY = Path(__file__).parents[2]
APP = REPOSITORY / "sample_apps" / "android"
ASSETS = Path("app/src/main/assets/artifact")  # where the app has its artifact
SETUP = "apt-get install default-jdk-headless maven"
OLDEST_JAVA = 17
TIME_LIMIT = 1800  # seconds; the first run fetches half a gigabyte
# What Maven says when packages are missing: told to stay offline, and in vain online.
_IS_OFFLINE = re.compile(r"offline mode")
_NOT_FETCHED = re.compile(
    r"Could not transfer|Unknown host|Could not find artifact|Connect to .* failed"
)


@dataclass(frozen=True)
class Build:
    """A finished Maven build.

    Attributes:
        folder: a copy of the app, with what was built.
        artifact: the artifact that its tests were given.
    """

    folder: Path
    artifact: Path

    def results(self, name: str) -> DeviceResults:
        """What the phone's regression test wrote in its own test ``name``."""
        return read_device_results(self.folder / f"app/target/device-results/{name}.json")


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Build:
    """The app from a clean checkout, with an artifact copied in as its README says, and all of its tests run."""
    require_toolchain()
    checkout = tmp_path_factory.mktemp("android")
    folder = checkout / "sample_apps" / "android"
    ignored = shutil.ignore_patterns("target", "build", ".gradle", "assets")
    shutil.copytree(APP, folder, ignore=ignored)
    shutil.copytree(APP.parent / "vectors", folder.parent / "vectors")
    artifact = write_artifact(
        load_source("seeded", TINY.name), TorchScriptOptions("none"), checkout / "artifacts"
    )
    subprocess.run(("sh", "-e", "-c", copy_step(artifact.name)), cwd=checkout, check=True)
    tested = run_maven(folder, artifact)
    assert tested.returncode == 0, tested.stdout[-6000:]
    return Build(folder, artifact)


def require_toolchain() -> None:
    """Skip the test if Java or Maven is missing or too old."""
    for program in ("java", "mvn"):
        if not shutil.which(program):
            pytest.skip(f"NOT RUN: no {program}; install it: {SETUP}")
    version = subprocess.run(("java", "-version"), capture_output=True, text=True).stderr
    number = re.search(r'version "(\d+)', version)
    if not number or int(number[1]) < OLDEST_JAVA:
        pytest.skip(f"NOT RUN: no Java {OLDEST_JAVA} or later; install it: {SETUP}")


def copy_step(name: str) -> str:
    """The README's commands that put an artifact into the app, for the artifact ``name``."""
    readme = (APP / "README.md").read_text()
    (block,) = (
        block for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if "\ncp " in block
    )
    return re.sub(r"artifacts/[\w-]+", f"artifacts/{name}", block)


def run_maven(folder: Path, artifact: Path) -> subprocess.CompletedProcess:
    """``mvn test``, without the network if all packages are there already."""
    tested = maven(folder, artifact, "--offline")
    if tested.returncode and _IS_OFFLINE.search(tested.stdout):
        tested = maven(folder, artifact)
        if tested.returncode and _NOT_FETCHED.search(tested.stdout):
            pytest.skip("NOT RUN: Maven cannot fetch packages; with a network: mvn test")
    return tested


def maven(folder: Path, artifact: Path, *options: str) -> subprocess.CompletedProcess:
    command: Sequence[str] = ("mvn", "--batch-mode", "--no-transfer-progress", *options, "test")
    return subprocess.run(
        command,
        cwd=folder / "maven",
        env={**os.environ, "MOBILE_SAM_ARTIFACT": str(artifact)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIME_LIMIT,
    )


@pytest.mark.slow
def test_every_test_ran(build):
    """Arithmetic, photos, sessions, the activity and the instrumentation: none is left out or skipped."""
    suites = [
        ElementTree.parse(report).getroot()
        for report in build.folder.glob("*/target/surefire-reports/*.xml")
    ]
    classes = {
        source.stem
        for source in build.folder.glob("*/src/test/kotlin/**/*.kt")
        if "@Test" in source.read_text()
    }
    assert {suite.get("name").rpartition(".")[2] for suite in suites} == classes
    for suite in suites:
        assert int(suite.get("tests")) > 0
        assert {suite.get(kind) for kind in ("failures", "errors", "skipped")} == {"0"}


@pytest.mark.slow
def test_the_desktop_reads_what_the_phone_writes(build):
    assert_measured(build.results("passed"), build.artifact, ANDROID)


@pytest.mark.slow
def test_the_desktop_reads_what_a_failing_phone_writes(build):
    wrong = build.results("wrong-masks")
    assert wrong.failure is None
    assert wrong.wrong_cases

    no_number = build.results("nan")
    assert {case.max_score_difference for case in no_number.cases} == {None}

    gave_up = build.results("gave-up")
    assert gave_up.failure.endswith(": out of luck")
    assert len(gave_up.cases) == 2


@pytest.mark.slow
def test_screenshots_are_drawn(build):
    """Each of the README's screenshots comes out of the activity's tests."""
    for name in ("light.png", "dark.png"):
        drawn = build.folder / "app/target/screenshots" / name
        assert drawn.read_bytes().startswith(b"\x89PNG")
        assert (APP / "screenshots" / name).is_file()


def test_names_are_those_that_the_desktop_side_uses():
    gradle = (APP / "app/build.gradle.kts").read_text()
    test_package, runner = RUNNER.split("/")
    assert f'applicationId = "{PACKAGE}"' in gradle
    assert test_package == f"{PACKAGE}.test"  # what the Android plugin calls it
    assert f'testInstrumentationRunner = "{runner}"' in gradle
    assert (APP / f"app/src/androidTest/kotlin/{runner.replace('.', '/')}.kt").is_file()


def test_gradle_and_maven_agree():
    """Both builds name the same Kotlin, and neither AndroidX, without which the app compiles here."""
    pom = (APP / "maven" / "pom.xml").read_text()
    kotlin = re.search(r"<kotlin.version>(.*)</kotlin.version>", pom)[1]
    gradle = (APP / "build.gradle.kts").read_text()
    assert f'id("org.jetbrains.kotlin.android") version "{kotlin}"' in gradle
    for source in APP.glob("*/src/**/*.kt"):
        assert "androidx" not in source.read_text(), source


def test_artifacts_stay_out_of_the_repository():
    ignored = subprocess.run(
        ("git", "check-ignore", str(APP / ASSETS / "manifest.json")), cwd=REPOSITORY
    )
    assert ignored.returncode == 0
