"""The Android sample app, as far as a desktop can check it.

Maven compiles the app against Android's own classes and runs its tests on Robolectric. This needs Java 17 or later,
Maven, and packages of Maven Central, which are fetched once.
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

from converters.conversion import load_source, write_artifact
from converters.torchscript.options import TorchScriptOptions
from tests.support.measured_artifact import assert_measured
from tests.support.requirements import lack, require_tool
from tests.support.tiny_variant import TINY
from validation.latency.device_results import read_device_results
from validation.latency.device_results_schema import ANDROID, DeviceResults
from validation.latency.phones.adb import PACKAGE, RUNNER

REPOSITORY = Path(__file__).parents[2]
APP = REPOSITORY / "sample_apps" / "android"
KIT = "library/src/main/kotlin/org/mobilesam/kit"
PARTS = ("library", "app")
GRADLE = tuple(f"{part}/build.gradle.kts" for part in PARTS)
POM = "maven/pom.xml"
ASSETS = Path("app/src/main/assets/artifact")  # where the app finds its artifact
SETUP = "apt-get install default-jdk-headless maven"
OLDEST_JAVA = 17
TIME_LIMIT = 1800  # seconds; the first run fetches half a gigabyte
# What Maven says when packages are missing: with --offline, and without a network.
_IS_OFFLINE = re.compile(r"offline mode")
_NOT_FETCHED = re.compile(
    r"Could not transfer|Unknown host|Could not find artifact|Connect to .* failed"
)


@dataclass(frozen=True)
class Build:
    """A finished Maven build.

    Attributes:
        folder: a copy of sample_apps/android, with the built files.
        artifact: the artifact that the tests were given.
    """

    folder: Path
    artifact: Path

    def results(self, name: str) -> DeviceResults:
        """Return the document that the phone's regression test wrote in the Kotlin test ``name``."""
        return read_device_results(self.folder / f"app/target/device-results/{name}.json")


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Build:
    """Build the app from a clean checkout, with an artifact copied in as its README says, and run all of its tests."""
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
    package = folder / "library/src/test/kotlin/org/mobilesam/readme"
    package.mkdir(parents=True)
    (package / "FromReadme.kt").write_text(f"package org.mobilesam.readme\n\n{kotlin_code()}")
    tested = run_maven(folder, artifact)
    assert tested.returncode == 0, tested.stdout[-6000:]
    return Build(folder, artifact)


def require_toolchain() -> None:
    """End the test if Java or Maven is missing or too old."""
    for program in ("java", "mvn"):
        require_tool(program, SETUP)
    version = subprocess.run(("java", "-version"), capture_output=True, text=True).stderr
    number = re.search(r'version "(\d+)', version)
    if not number or int(number[1]) < OLDEST_JAVA:
        lack("java", f"no Java {OLDEST_JAVA} or later: {SETUP}")


def copy_step(name: str) -> str:
    """Return the README's commands that copy an artifact into the app, for the artifact ``name``."""
    (block,) = (block for block in readme_blocks("sh") if "\ncp " in block)
    return re.sub(r"artifacts/[\w-]+", f"artifacts/{name}", block)


def kotlin_code() -> str:
    """Return the README's code for an app of one's own."""
    (block,) = readme_blocks("kotlin")
    return block


def readme_blocks(language: str) -> list[str]:
    """Return the code blocks of the README in a language."""
    readme = (APP / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)


def run_maven(folder: Path, artifact: Path) -> subprocess.CompletedProcess:
    """Run ``mvn test``, without the network if all packages are there already."""
    tested = maven(folder, artifact, "--offline")
    if tested.returncode and _IS_OFFLINE.search(tested.stdout):
        tested = maven(folder, artifact)
        if tested.returncode and _NOT_FETCHED.search(tested.stdout):
            lack("mvn", "Maven cannot fetch packages; with a network: mvn test")
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
    """No test of the library, the app or the instrumentation is left out or skipped."""
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
    """The activity's tests draw each of the README's screenshots."""
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


def read(path: str) -> str:
    return (APP / path).read_text()


def only(pattern: str, *paths: str) -> str:
    """Return the group of ``pattern`` in the files, which has to be there and the same wherever it occurs."""
    for path in paths:
        assert re.search(pattern, read(path)), f"{path} has no {pattern}"
    (value,) = {value for path in paths for value in re.findall(pattern, read(path))}
    return value


def test_gradle_and_maven_have_the_same_kotlin():
    kotlin = only(r"<kotlin.version>(.*)</kotlin.version>", POM)
    assert (
        only(r'id\("org.jetbrains.kotlin.android"\) version "(.*?)"', "build.gradle.kts") == kotlin
    )


def test_gradle_and_maven_compile_for_the_same_java():
    java = only(r"<kotlin.compiler.jvmTarget>(.*)</kotlin.compiler.jvmTarget>", POM)
    assert java == str(OLDEST_JAVA)
    assert only(r"JavaVersion.VERSION_(\d+)", *GRADLE) == java
    assert only(r"JvmTarget.JVM_(\d+)", *GRADLE) == java
    assert f"Java {java} or later" in read("README.md")


def test_library_and_app_have_the_same_api_levels():
    target = only(r"(?:compileSdk|targetSdk) = (\d+)", *GRADLE)
    oldest = only(r"minSdk = (\d+)", *GRADLE)
    assert f"API level {target} and starts on {oldest} " in read("README.md")


def test_versions_of_the_runtime_agree():
    """The app runs with one version, and Maven compiles against another, which the README says."""
    runs = only(r"pytorch_android_lite[: ]([\d.]+\d)", GRADLE[0], f"{KIT}/platform/LiteEngine.kt")
    compiles = only(r"<pytorch.version>(.*)</pytorch.version>", "maven/aar-classes/pom.xml")
    readme = read("README.md")
    assert f"Gradle build takes `pytorch_android_lite` {runs}" in readme
    assert f"classes of `pytorch_android_lite` {compiles}" in readme


def test_library_and_app_are_tested_on_the_same_android():
    level = only(
        r"sdk=(\d+)", *(f"{part}/src/test/resources/robolectric.properties" for part in PARTS)
    )
    assert only(r"\(API level (\d+)\), the newest", POM) == level
    release = only(r"<android.*version>(\d+)-robolectric", POM)
    assert f"compiled against android {release}'s own classes" in read("README.md").lower()


def test_nothing_needs_androidx():
    """Without AndroidX the app compiles on a desktop."""
    for source in APP.glob("*/src/**/*.kt"):
        assert "androidx" not in source.read_text(), source


def test_imports_are_sorted_and_used():
    for source in APP.glob("**/*.kt"):
        code = source.read_text()
        imports = re.findall(r"^import (.*)$", code, re.MULTILINE)
        assert imports == sorted(set(imports)), source
        body = re.sub(r"^import .*$", "", code, flags=re.MULTILINE)
        unused = [
            name for name in imports if not re.search(rf"\b{name.rpartition('.')[2]}\b", body)
        ]
        assert unused == [], source


def test_artifacts_stay_out_of_the_repository():
    ignored = subprocess.run(
        ("git", "check-ignore", str(APP / ASSETS / "manifest.json")), cwd=REPOSITORY
    )
    assert ignored.returncode == 0
