"""Measures on an iPhone, in the sample app."""

import re
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from validation.documents.verdicts import Unavailable
from validation.latency.device_results import read_device_results
from validation.latency.device_results_schema import IOS, CaseLimits
from validation.latency.phones.external_tool import ToolError, ToolOutcome, quote, run_tool
from validation.latency.phones.phone import (
    LONGEST_TEST,
    Phone,
    PhoneBusyError,
    PhoneError,
    PhoneGoneError,
    fill_in,
)
from validation.latency.phones.xcode import BUNDLE, FoundIPhone, ready_phone
from validation.latency.results import Measurement
from validation.latency.running.plan import Plan

TESTS = "MobileSAMSampleTests/RegressionTests"

_COPY_LIMIT = 600.0  # seconds
# What Xcode says about a phone that it, or another run, is still using.
_BUSY = re.compile(r"\bis busy\b[^\n}]*")


@dataclass(frozen=True)
class IPhone(Phone):
    """A ``Phone`` that Xcode's tools reach.

    Attributes:
        found: the phone that Xcode found.
    """

    found: FoundIPhone

    @property
    def description(self) -> str:
        return self.found.description

    def measure(self, measurement: Measurement, plan: Plan, limits: CaseLimits) -> None:
        # Files on the phone cannot be removed beforehand. Names with a token keep this run from
        # reading an earlier run's results.
        token = secrets.token_hex(4)
        folder = f"Documents/mobile-sam-export-{token}"
        # Beside the folder, which belongs to the system, so that the app cannot write into it.
        results = f"Documents/device-results-{token}.json"
        with tempfile.TemporaryDirectory() as scratch:
            fetched = Path(scratch) / "device-results.json"
            try:
                copied = self._copy("to", str(measurement.artifact.folder.resolve()), folder)
                self._require(copied, "take the artifact")
                tested = self._run_test(plan, limits, folder, results)
                self._fetch(results, fetched, tested)
            finally:
                self._tidy_up(folder, Path(scratch) / "empty")
            fill_in(measurement, read_device_results(fetched), plan, IOS, limits)

    def _run_test(self, plan: Plan, limits: CaseLimits, folder: str, results: str) -> ToolOutcome:
        settings = {
            "ARTIFACT": folder,
            "RESULTS": results,
            "COMPUTE_UNITS": "all",
            "RUNS": str(plan.runs),
            "SECONDS": str(plan.seconds),
            "MIN_IOU": str(limits.min_iou),
            "MAX_SCORE_DIFFERENCE": str(limits.max_score_difference),
        }
        # xcodebuild sets TEST_RUNNER_X=Y as X=Y in the test's process (man xcodebuild).
        environment = {f"TEST_RUNNER_MOBILE_SAM_{key}": text for key, text in settings.items()}
        destination = f"platform=iOS,id={self.found.identifier}"
        arguments = (
            "xcodebuild",
            *self.found.tests,
            "-destination",
            destination,
            f"-only-testing:{TESTS}",
        )
        tested = run_tool(arguments, LONGEST_TEST, environment)
        if tested.status and (busy := _BUSY.search(tested.stderr + tested.stdout)):
            raise PhoneBusyError(f"the phone {quote(busy[0])}: wait until Xcode is done with it")
        return tested

    def _fetch(self, results: str, destination: Path, tested: ToolOutcome) -> None:
        copied = self._copy("from", results, str(destination))
        if copied.status or not destination.is_file():
            self._require_present("run the app's test")
            raise PhoneError(
                f"the app wrote no results ({tested.complaint}): run the test {TESTS} from Xcode to see why"
            )

    def _tidy_up(self, folder: str, empty: Path) -> None:
        # The app may not remove what devicectl copied. devicectl removes content only by replacing it.
        empty.mkdir()
        with suppress(ToolError):  # a phone that was disconnected cannot be tidied up
            self._copy("to", str(empty), folder, "--remove-existing-content", "true")

    def _copy(self, direction: str, source: str, destination: str, *options: str) -> ToolOutcome:
        arguments = (
            *("device", "copy", direction, "--device", self.found.identifier),
            *("--domain-type", "appDataContainer", "--domain-identifier", BUNDLE),
            *("--source", source, "--destination", destination, *options),
        )
        return run_tool(("xcrun", "devicectl", *arguments), _COPY_LIMIT)

    def _require_present(self, what: str) -> None:
        found = ready_phone(self.found.identifier)
        if isinstance(found, Unavailable):
            raise PhoneGoneError(
                f"the phone was disconnected before it could {what} ({found.reason}): connect it again"
            )
