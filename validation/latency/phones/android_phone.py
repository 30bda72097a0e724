"""Measures on an Android phone: in the sample app, or with PyTorch's own benchmark."""

import json
import math
import re
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from converters.artifact_layout import COMPONENTS
from validation.artifacts.artifact import Artifact
from validation.documents.strict_json import MOST_BYTES
from validation.latency.device_results import read_device_results
from validation.latency.device_results_schema import ANDROID, CaseLimits
from validation.latency.phones.adb import BENCHMARK, PACKAGE, RUNNER, Adb, FoundAndroidPhone
from validation.latency.phones.external_tool import ToolError, ToolOutcome, quote
from validation.latency.phones.phone import (
    LONGEST_TEST,
    Phone,
    PhoneBusyError,
    PhoneError,
    PhoneGoneError,
    fill_in,
    stage_times,
)
from validation.latency.results import Measurement
from validation.latency.running.plan import Plan

# adb may write here, and every app may read. A run makes the folder, which keeps other runs out.
FOLDER = "/data/local/tmp/mobile-sam-export"
ARTIFACT = f"{FOLDER}/artifact"
# The app may write here, and adb may read, on every version of Android.
RESULTS = f"/sdcard/Android/media/{PACKAGE}/device-results.json"

_COPY_LIMIT = 600.0  # seconds
_BENCHMARK_WARM_UP = 10  # runs
_TRIAL_RUNS = 5  # these show how many runs the plan's seconds take
_SPARE = 1.2  # factor on that number of runs, in case later runs are faster
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")  # has no special meaning in the phone's shell
# With --report_pep each run prints one line (PyTorch's source: binaries/speed_benchmark_torch.cc).
_OBSERVED = re.compile(r"PyTorchObserver (\{.*\})")


@dataclass(frozen=True)
class AndroidPhone(Phone):
    """A ``Phone`` that adb reaches.

    Attributes:
        found: the phone that adb found.
    """

    found: FoundAndroidPhone

    @property
    def description(self) -> str:
        return self.found.description

    @property
    def adb(self) -> Adb:
        """The adb for this phone."""
        return self.found.adb

    def measure(self, measurement: Measurement, plan: Plan, limits: CaseLimits) -> None:
        with self._pushed(measurement.artifact):
            if self.found.has_app:
                self._run_app(measurement, plan, limits)
            else:
                self._run_benchmark(measurement, plan)

    @contextmanager
    def _pushed(self, artifact: Artifact) -> Iterator[None]:
        """Keep the artifact's folder on the phone until the block ends."""
        # Without -p mkdir fails if the folder exists, so that only one run at a time gets it. The app is
        # another user, which the mode allows to read.
        made = self.adb.shell("mkdir", "-m", "755", FOLDER)
        if made.status and "exists" in made.stderr:
            raise PhoneBusyError(
                f"the phone is busy with another run, which uses {FOLDER}: wait until it ends, or, if "
                f"none is running, run 'adb -s {self.adb.serial} shell rm -r {FOLDER}'"
            )
        self._require(made, f"make {FOLDER}")
        try:
            push = "push", str(artifact.folder.resolve()), ARTIFACT
            self._require(self.adb.run(*push, time_limit=_COPY_LIMIT), "take the artifact")
            yield
        finally:
            with suppress(ToolError):  # a phone that was disconnected cannot be tidied up
                self.adb.shell("am", "force-stop", PACKAGE)  # it still runs after an interrupt
                self.adb.shell("rm", "-rf", FOLDER, RESULTS)

    def _run_app(self, measurement: Measurement, plan: Plan, limits: CaseLimits) -> None:
        self._require(self.adb.shell("rm", "-f", RESULTS), "forget earlier results")
        extras = {
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
        # adb pull would copy a file of any size.
        written = self.adb.shell("head", "-c", str(MOST_BYTES + 1), RESULTS, time_limit=_COPY_LIMIT)
        if written.status:
            self._require_present("give the app's results")
            raise PhoneError(
                f"the app wrote no results ({_instrumentation_problem(tested)}): 'adb -s "
                f"{self.adb.serial} logcat' may say why"
            )
        fill_in(measurement, read_device_results(written.stdout), plan, ANDROID, limits)

    def _run_benchmark(self, measurement: Measurement, plan: Plan) -> None:
        """Time both components on a bundled input. Masks, loading and memory stay unknown."""
        measurement.note = (
            "speed_benchmark_torch on a bundled input: masks, loading, memory, end to end, heat and "
            "battery saver were not checked"
        )
        for component in COMPONENTS:
            file = measurement.artifact.components[component].name
            trial = self._benchmark(file, _TRIAL_RUNS)
            needed = math.ceil(_SPARE * 1000 * plan.seconds / statistics.median(trial))
            samples = self._benchmark(file, max(plan.runs, needed))
            measurement.stages[component] = stage_times(samples, plan)

    def _benchmark(self, file: str, runs: int) -> list[float]:
        """Return the milliseconds of each run."""
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

    def _require_present(self, what: str) -> None:
        state = self.adb.run("get-state")
        if state.status or state.stdout.strip() != "device":
            raise PhoneGoneError(
                f"the phone was disconnected before it could {what} ({state.complaint}): connect it again"
            )


def _instrumentation_problem(tested: ToolOutcome) -> str:
    """Return the reason why a test ended early (Android's source: cmds/am, Instrument.java)."""
    for mark in ("INSTRUMENTATION_STATUS: Error=", "shortMsg="):
        for line in tested.stdout.splitlines():
            if mark in line:
                return quote(line.partition(mark)[2])
    return tested.complaint


def _observed(text: str) -> list[float]:
    """Return the milliseconds of the runs in speed_benchmark_torch's output, which has microseconds.

    Lines without a valid time are left out.
    """
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
