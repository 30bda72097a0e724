"""Android phones over adb: the sample app's regression test, or PyTorch's own benchmark.

docs/devices.md says how a phone is set up, and what is run on it.
"""

import json
import math
import os
import re
import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from converters.artifact_layout import COMPONENTS
from validation.artifact import Artifact
from validation.engines.base import Unavailable
from validation.latency.external_tool import Outcome, ToolError, quote, run_tool
from validation.latency.targets import TargetError, require_format, require_no_image

if TYPE_CHECKING:
    from validation.latency.plan import Plan
    from validation.latency.results import Measurement, TargetResult

PACKAGE = "org.mobilesam.sample"
RUNNER = f"{PACKAGE}.test/androidx.test.runner.AndroidJUnitRunner"
TEST_CLASS = f"{PACKAGE}.RegressionTest"
# Where adb may write and every app may read; made by each run, and by one at a time.
FOLDER = "/data/local/tmp/mobile-sam-export"
ARTIFACT = f"{FOLDER}/artifact"
BENCHMARK = "/data/local/tmp/speed_benchmark_torch"
# Where the app may write and adb may read, on every version of Android.
RESULTS = f"/sdcard/Android/media/{PACKAGE}/device-results.json"

_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_SHORT_LIMIT, _PUSH_LIMIT = 30.0, 600.0  # seconds
_BENCHMARK_WARM_UP = 10  # runs
_TRIAL_RUNS = 5  # that tell how many fill the plan
_SPARE = 1.2  # times as many runs as that takes
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")  # what the phone's shell takes for nothing but a name
# A line per run with --report_pep (PyTorch's source: binaries/speed_benchmark_torch.cc).
_OBSERVED = re.compile(r"PyTorchObserver (\{.*\})")
# States of `adb devices` that are not "device", and what helps.
_STATES = {
    "unauthorized": "unlock it and allow USB debugging for this computer",
    "offline": "plug it in again, or run 'adb reconnect'",
    "no permissions": "allow this user to use the USB port: see 'adb devices'",
}


@dataclass(frozen=True)
class AndroidTarget:
    """A ``Target``: a phone that adb reaches.

    Attributes:
        name: see ``Target``.
        measures: see ``Target``.
        serial: of the phone; None: what ANDROID_SERIAL names, or the only one.
    """

    name: str = "android"
    measures: str = (
        "milliseconds of an Android phone, over adb; android:SERIAL names one of several"
    )
    serial: str | None = None

    def of(self, serial: str) -> "AndroidTarget":
        """The same, of one phone; TargetError if that cannot be a serial number."""
        if not _SERIAL.fullmatch(serial):
            raise TargetError(
                f"'{quote(serial)}' is no serial number of a phone: expected one that 'adb devices' lists"
            )
        return replace(self, name=f"{self.name}:{serial}", serial=serial)

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """See ``Target``: the app runs ``.ptl`` files, on their goldens."""
        require_format(self.name, artifacts, "torchscript")
        require_no_image(self.name, image)

    def missing(self) -> str | None:
        """See ``Target``."""
        found = self._find()
        return found.reason if isinstance(found, Unavailable) else None

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        """See ``Target``."""
        from validation.latency.phone import measure_on_phone  # here: it imports torch

        return measure_on_phone(self.name, self.measures, self._find(), artifacts, plan)

    def _find(self) -> "AndroidPhone | Unavailable":
        if shutil.which("adb") is None:
            return Unavailable("there is no adb here: install Android's platform-tools")
        try:
            serial = _ready_serial(self.serial or os.environ.get("ANDROID_SERIAL") or None)
            return serial if isinstance(serial, Unavailable) else _look_at(serial)
        except ToolError as error:
            return Unavailable(f"{error}: restart it with 'adb kill-server'")


def _ready_serial(wanted: str | None) -> str | Unavailable:
    """The phone to measure on, if it is ready."""
    listed = run_tool(["adb", "devices"], _SHORT_LIMIT)
    if listed.status:
        return Unavailable(f"adb does not list phones ({listed.complaint})")
    # A phone per line: serial, tab, state (adb's source: transport.cpp, append_transport).
    rows = (line.partition("\t") for line in listed.stdout.splitlines())
    states = {serial: state for serial, tab, state in rows if tab}
    if wanted is None and len(states) > 1:
        ready = [serial for serial, state in states.items() if state == "device"]
        if len(ready) != 1:
            return Unavailable(
                f"there are several phones ({quote(', '.join(states))}): name one, as in "
                f"android:{quote(next(iter(states)))}"
            )
        wanted = ready[0]
    if not states or (wanted is not None and wanted not in states):
        which = "no phone" if wanted is None else f"no phone {quote(wanted)}"
        return Unavailable(f"adb finds {which}: connect it, and allow USB debugging on it")
    serial = wanted or next(iter(states))
    state = states[serial]
    if state == "device" and _SERIAL.fullmatch(serial):
        return serial
    advice = next((text for name, text in _STATES.items() if state.startswith(name)), None)
    return Unavailable(
        f"the phone {quote(serial)} is in the state '{quote(state)}': "
        f"{advice or 'wait until it has started Android'}"
    )


def _look_at(serial: str) -> "AndroidPhone | Unavailable":
    """What the phone is, and whether it has something to measure with."""
    adb = Adb(serial)
    tests = adb.shell("pm", "list", "instrumentation", PACKAGE)
    if tests.status:
        return Unavailable(f"the phone {serial} does not list its tests ({tests.complaint})")
    # "instrumentation:PACKAGE.test/RUNNER (target=PACKAGE)" (Android's source: PackageManagerShellCommand).
    installed = f"instrumentation:{RUNNER} " in tests.stdout
    if not installed and adb.shell("ls", BENCHMARK).status:
        return Unavailable(
            f"the phone {serial} has neither the sample app's tests ({PACKAGE}.test) nor {BENCHMARK}: "
            "install one as docs/devices.md says"
        )
    model, version = (
        quote(adb.shell("getprop", name).stdout)
        for name in ("ro.product.model", "ro.build.version.release")
    )
    return AndroidPhone(adb, f"{model}, Android {version}, serial number {serial}", installed)


@dataclass(frozen=True)
class Adb:
    """adb for one phone."""

    serial: str

    def run(self, *arguments: str, time_limit: float = _SHORT_LIMIT) -> Outcome:
        """adb's own commands, such as push."""
        return run_tool(["adb", "-s", self.serial, *arguments], time_limit)

    def shell(self, *words: str, time_limit: float = _SHORT_LIMIT) -> Outcome:
        """A command of the phone. Its shell reads ``words``: nothing may be in them that means more there."""
        return self.run("shell", *words, time_limit=time_limit)


@dataclass(frozen=True)
class AndroidPhone:
    """A ``Phone``.

    Attributes:
        adb: that reaches it.
        description: see ``Phone``.
        has_app: whether the sample app's tests are installed; otherwise the benchmark is there.
    """

    adb: Adb
    description: str
    has_app: bool

    def measure(self, measurement: "Measurement", plan: "Plan") -> None:
        """See ``Phone``."""
        with self._pushed(measurement.artifact):
            if self.has_app:
                self._run_app(measurement, plan)
            else:
                self._run_benchmark(measurement, plan)

    @contextmanager
    def _pushed(self, artifact: Artifact) -> Iterator[None]:
        """The artefact's folder on the phone, until the block ends."""
        from validation.latency.phone import PhoneBusyError

        # Without -p, so that of two runs only one gets the folder.
        made = self.adb.shell("mkdir", FOLDER)
        if made.status and "exists" in made.stderr:
            raise PhoneBusyError(
                f"the phone is busy with another run, which uses {FOLDER}: wait for it, or, if there is "
                f"none, remove that with 'adb -s {self.adb.serial} shell rm -r {FOLDER}'"
            )
        self._require(made, f"make {FOLDER}")
        try:
            push = "push", str(artifact.folder.resolve()), ARTIFACT
            self._require(self.adb.run(*push, time_limit=_PUSH_LIMIT), "take the artefact")
            yield
        finally:
            with suppress(ToolError):  # a phone that is gone cannot be tidied up
                self.adb.shell("am", "force-stop", PACKAGE)  # still running if interrupted
                self.adb.shell("rm", "-rf", FOLDER, RESULTS)

    def _run_app(self, measurement: "Measurement", plan: "Plan") -> None:
        from validation.device_results import ANDROID, MOST_BYTES, read_device_results
        from validation.latency.phone import LONGEST_TEST, PhoneError, fill_in, limits_of

        self._require(self.adb.shell("rm", "-f", RESULTS), "forget earlier results")
        limits = limits_of(measurement.artifact)
        extras = {
            "class": TEST_CLASS,
            "artifact": ARTIFACT,
            "runs": str(plan.runs),
            "seconds": str(plan.seconds),
            "minIou": str(limits.min_iou),
            "maxScoreDifference": str(limits.max_score_difference),
        }
        options = [word for key, value in extras.items() for word in ("-e", key, value)]
        test = "am", "instrument", "-w", "-r", *options, RUNNER
        tested = self.adb.shell(*test, time_limit=LONGEST_TEST)
        self._require_present("run the app's test")
        # Not pull: a file of any size would come.
        written = self.adb.shell("head", "-c", str(MOST_BYTES + 1), RESULTS, time_limit=_PUSH_LIMIT)
        if written.status:
            self._require_present("give the app's results")
            raise PhoneError(
                f"the app wrote no results ({_instrumentation_problem(tested)}): 'adb -s "
                f"{self.adb.serial} logcat' may say why"
            )
        fill_in(measurement, read_device_results(written.stdout), plan, ANDROID)

    def _run_benchmark(self, measurement: "Measurement", plan: "Plan") -> None:
        """Time both components on a bundled input; masks, loading and memory stay unknown."""
        from validation.latency.phone import stage_times

        measurement.note = (
            "speed_benchmark_torch on a bundled input: masks, loading, memory, end to end, heat and "
            "battery saver were not looked at"
        )
        for component in COMPONENTS:
            file = measurement.artifact.components[component].name
            trial = self._benchmark(file, _TRIAL_RUNS)
            needed = math.ceil(_SPARE * 1000 * plan.seconds / statistics.median(trial))
            samples = self._benchmark(file, max(plan.runs, needed))
            measurement.stages[component] = stage_times(samples, plan)

    def _benchmark(self, file: str, runs: int) -> list[float]:
        """Milliseconds of each run."""
        from validation.latency.phone import LONGEST_TEST, PhoneError

        if not _PLAIN.fullmatch(file):
            raise PhoneError(
                f"the file {quote(file)}: expected a name of letters, digits, '.', '_', '-'"
            )
        words = (
            BENCHMARK,
            f"--model={ARTIFACT}/{file}",
            "--use_bundled_input=0",
            f"--warmup={_BENCHMARK_WARM_UP}",
            f"--iter={runs}",
            "--report_pep=true",
        )
        done = self.adb.shell(*words, time_limit=LONGEST_TEST)
        self._require(done, f"run speed_benchmark_torch on {file}")
        samples = _observed(done.stdout)
        if len(samples) < runs:
            raise PhoneError(
                f"speed_benchmark_torch gave {len(samples)} times of {file}: expected {runs}; build it "
                "from the PyTorch that docs/devices.md names"
            )
        return samples

    def _require(self, outcome: Outcome, what: str) -> None:
        from validation.latency.phone import PhoneError

        if outcome.status:
            self._require_present(what)
            raise PhoneError(f"the phone cannot {what} ({outcome.complaint})")

    def _require_present(self, what: str) -> None:
        from validation.latency.phone import PhoneGoneError

        state = self.adb.run("get-state")
        if state.status or state.stdout.strip() != "device":
            raise PhoneGoneError(
                f"the phone vanished when it was to {what} ({state.complaint}): connect it again"
            )


def _instrumentation_problem(tested: Outcome) -> str:
    """Why a test did not get far (Android's source: cmds/am, Instrument.java)."""
    for mark in ("INSTRUMENTATION_STATUS: Error=", "shortMsg=", "INSTRUMENTATION_STATUS: stack="):
        for line in tested.stdout.splitlines():
            if mark in line:
                return quote(line.partition(mark)[2])
    return tested.complaint


def _observed(text: str) -> list[float]:
    """Milliseconds of the runs that speed_benchmark_torch tells of, in microseconds; what is no time is left out."""
    samples = []
    for match in _OBSERVED.finditer(text):
        try:
            record = json.loads(match[1])
            value = float(record["value"]) if record["unit"] == "us" else math.nan
        except (LookupError, TypeError, ValueError, RecursionError):
            continue
        if 0 < value < math.inf:
            samples.append(value / 1000)
    return samples
