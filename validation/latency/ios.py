"""iPhones through Xcode's own tools: the sample app's regression test, on a Mac.

docs/devices.md says how a phone is set up, and what is run on it.
"""

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from validation.artifact import Artifact
from validation.engines.base import Unavailable
from validation.latency.external_tool import Outcome, ToolError, quote, run_tool
from validation.latency.targets import TargetError, require_format, require_no_image

if TYPE_CHECKING:
    from validation.latency.plan import Plan
    from validation.latency.results import Measurement, TargetResult

BUNDLE = "org.mobilesam.sample"
PROJECT = Path(__file__).parents[2] / "sample_apps" / "ios" / "MobileSAMSample.xcodeproj"
SCHEME = "MobileSAMSample"
TESTS = "MobileSAMSampleTests/RegressionTests"
# Names what `xcodebuild build-for-testing` made, in place of the project.
TEST_RUN_VARIABLE = "MOBILE_SAM_XCTESTRUN"

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
_SHORT_LIMIT, _COPY_LIMIT = 60.0, 600.0  # seconds
_MOST_BYTES = 1 << 24  # of JSON that devicectl writes
# What Xcode says of a phone that it, or another run, is still at work on.
_BUSY = re.compile(r"\bis busy\b[^\n}]*")


@dataclass(frozen=True)
class IPhoneTarget:
    """A ``Target``: an iPhone or iPad that this Mac reaches.

    Attributes:
        name: see ``Target``.
        measures: see ``Target``.
        identifier: the phone's UDID; None: the only one.
    """

    name: str = "ios"
    measures: str = "milliseconds of an iPhone, through Xcode; ios:UDID names one of several"
    identifier: str | None = None

    def of(self, identifier: str) -> "IPhoneTarget":
        """The same, of one phone; TargetError if that cannot be an identifier."""
        if not _IDENTIFIER.fullmatch(identifier):
            raise TargetError(
                f"'{quote(identifier)}' is no UDID of a phone: expected one that 'xcrun devicectl list "
                "devices' lists"
            )
        return replace(self, name=f"{self.name}:{identifier}", identifier=identifier)

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """See ``Target``: the app runs Core ML packages, on their goldens."""
        require_format(self.name, artifacts, "coreml")
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

    def _find(self) -> "IPhone | Unavailable":
        for tool in ("xcodebuild", "xcrun"):
            if shutil.which(tool) is None:
                return Unavailable(
                    f"there is no {tool} here: measure on a Mac with Xcode 15 or later"
                )
        tests = _tests()
        if isinstance(tests, Unavailable):
            return tests
        try:
            phone = _ready_phone(self.identifier)
            return phone if isinstance(phone, Unavailable) else _look_at(*phone, tests)
        except ToolError as error:
            return Unavailable(str(error))


def _tests() -> list[str] | Unavailable:
    """xcodebuild's arguments that say which tests, built or to be built."""
    built = os.environ.get(TEST_RUN_VARIABLE)
    if built:
        if not Path(built).is_file():
            return Unavailable(
                f"{TEST_RUN_VARIABLE} is {quote(built)}: expected an .xctestrun file"
            )
        return ["test-without-building", "-xctestrun", built]
    if not PROJECT.exists():
        return Unavailable(
            f"there is no {PROJECT.name}: work in a checkout that has sample_apps/ios, or name tests "
            f"that were built with {TEST_RUN_VARIABLE}"
        )
    return ["test", "-project", str(PROJECT), "-scheme", SCHEME, "-allowProvisioningUpdates"]


def _ready_phone(wanted: str | None) -> tuple[str, str] | Unavailable:
    """Identifier and description of the phone to measure on, if it is ready."""
    problems = {}
    ready = {}
    for device in _devices():
        hardware, properties, connection = (
            _object(device, key)
            for key in ("hardwareProperties", "deviceProperties", "connectionProperties")
        )
        identifier = hardware.get("udid")
        # From Xcode 27 on, simulators are listed as well.
        physical = hardware.get("reality", "physical") == "physical"
        if hardware.get("platform") != "iOS" or not physical or not isinstance(identifier, str):
            continue
        if problem := _problem(properties, connection):
            problems[identifier] = problem
        else:
            model = hardware.get("productType", "iPhone")
            version = properties.get("osVersionNumber", "unknown")
            ready[identifier] = quote(f"{model}, iOS {version}, UDID {identifier}")
    if wanted is None and len(ready) > 1:
        return Unavailable(
            f"there are several phones ({quote(', '.join(ready))}): name one, as in "
            f"ios:{quote(next(iter(ready)))}"
        )
    known = ready if wanted is None else {key: ready[key] for key in ready if key == wanted}
    for identifier, description in known.items():
        if _IDENTIFIER.fullmatch(identifier):
            return identifier, description
    for identifier, problem in problems.items():
        if wanted in (None, identifier):
            return Unavailable(f"the phone {quote(identifier)} {problem}")
    which = "no phone" if wanted is None else f"no phone {quote(wanted)}"
    return Unavailable(f"Xcode finds {which}: connect it, unlock it, and trust this Mac on it")


def _problem(properties: dict, connection: dict) -> str | None:
    """Why a phone is not ready, in words that follow its name."""
    if connection.get("pairingState") != "paired":
        return "is not paired with this Mac: unlock it, and trust this Mac on it"
    if connection.get("tunnelState") == "unavailable":
        return "is offline: connect it, and unlock it"
    if properties.get("developerModeStatus", "enabled") != "enabled":
        return "is not in developer mode: switch that on in Settings, Privacy & Security"
    return None


def _look_at(identifier: str, description: str, tests: list[str]) -> "IPhone | Unavailable":
    """The phone, if the sample app is on it."""
    arguments = ["device", "info", "apps", "--device", identifier, "--bundle-id", BUNDLE]
    outcome, document = _devicectl(*arguments)
    if outcome.status:
        return Unavailable(f"the phone {identifier} does not list its apps ({outcome.complaint})")
    apps = _object(document, "result").get("apps")
    names = [app.get("bundleIdentifier") for app in apps or () if isinstance(app, dict)]
    if BUNDLE not in names:
        return Unavailable(
            f"the phone {identifier} does not have the sample app ({BUNDLE}): run it once from Xcode, as "
            "docs/devices.md says"
        )
    return IPhone(identifier, description, tests)


@dataclass(frozen=True)
class IPhone:
    """A ``Phone``.

    Attributes:
        identifier: its UDID.
        description: see ``Phone``.
        tests: xcodebuild's arguments that say which tests.
    """

    identifier: str
    description: str
    tests: Sequence[str]

    def measure(self, measurement: "Measurement", plan: "Plan") -> None:
        """See ``Phone``."""
        from validation.device_results import IOS, read_device_results
        from validation.latency.phone import fill_in

        # Names of their own, since nothing on the phone can be removed beforehand: an earlier run's
        # results cannot be taken for this one's.
        token = secrets.token_hex(4)
        folder = f"Documents/mobile-sam-export-{token}"
        # Beside the folder, which belongs to the system and takes no file of the app's.
        results = f"Documents/device-results-{token}.json"
        with tempfile.TemporaryDirectory() as scratch:
            fetched = Path(scratch) / "device-results.json"
            try:
                copied = self._copy("to", str(measurement.artifact.folder.resolve()), folder)
                self._require(copied, "take the artefact")
                tested = self._run_test(measurement.artifact, plan, folder, results)
                self._fetch(results, fetched, tested)
            finally:
                self._tidy_up(folder, Path(scratch) / "empty")
            fill_in(measurement, read_device_results(fetched), plan, IOS)

    def _run_test(self, artifact: Artifact, plan: "Plan", folder: str, results: str) -> Outcome:
        from validation.latency.phone import LONGEST_TEST, PhoneBusyError, limits_of

        limits = limits_of(artifact)
        settings = {
            "ARTIFACT": folder,
            "RESULTS": results,
            "COMPUTE_UNITS": "all",
            "RUNS": str(plan.runs),
            "SECONDS": str(plan.seconds),
            "MIN_IOU": str(limits.min_iou),
            "MAX_SCORE_DIFFERENCE": str(limits.max_score_difference),
        }
        # TEST_RUNNER_X=Y is X=Y in the test's process (man xcodebuild).
        environment = {f"TEST_RUNNER_MOBILE_SAM_{key}": text for key, text in settings.items()}
        destination = f"platform=iOS,id={self.identifier}"
        arguments = "xcodebuild", *self.tests, "-destination", destination, f"-only-testing:{TESTS}"
        tested = run_tool(arguments, LONGEST_TEST, environment)
        if tested.status and (busy := _BUSY.search(tested.stderr + tested.stdout)):
            raise PhoneBusyError(f"the phone {quote(busy[0])}: wait until Xcode is done with it")
        return tested

    def _fetch(self, results: str, destination: Path, tested: Outcome) -> None:
        from validation.latency.phone import PhoneError

        copied = self._copy("from", results, str(destination))
        if copied.status or not destination.is_file():
            self._require_present("run the app's test")
            raise PhoneError(
                f"the app wrote no results ({tested.complaint}): run the test {TESTS} from Xcode to see why"
            )

    def _tidy_up(self, folder: str, empty: Path) -> None:
        # The app may not remove what devicectl copied, and devicectl removes by replacing.
        empty.mkdir()
        with suppress(ToolError):  # a phone that is gone cannot be tidied up
            self._copy("to", str(empty), folder, "--remove-existing-content", "true")

    def _copy(self, direction: str, source: str, destination: str, *options: str) -> Outcome:
        arguments = (
            *("device", "copy", direction, "--device", self.identifier),
            *("--domain-type", "appDataContainer", "--domain-identifier", BUNDLE),
            *("--source", source, "--destination", destination, *options),
        )
        return run_tool(("xcrun", "devicectl", *arguments), _COPY_LIMIT)

    def _require(self, outcome: Outcome, what: str) -> None:
        from validation.latency.phone import PhoneError

        if outcome.status:
            self._require_present(what)
            raise PhoneError(f"the phone cannot {what} ({outcome.complaint})")

    def _require_present(self, what: str) -> None:
        from validation.latency.phone import PhoneGoneError

        found = _ready_phone(self.identifier)
        if isinstance(found, Unavailable):
            raise PhoneGoneError(
                f"the phone vanished when it was to {what} ({found.reason}): connect it again"
            )


def _devices() -> list[dict]:
    outcome, document = _devicectl("list", "devices")
    if outcome.status:
        raise ToolError(f"devicectl does not list phones ({outcome.complaint})")
    devices = _object(document, "result").get("devices")
    return [device for device in devices or () if isinstance(device, dict)]


def _devicectl(*arguments: str) -> tuple[Outcome, dict]:
    """How ``xcrun devicectl`` ended, and the JSON document that it wrote; empty if it is none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "output.json"
        outcome = run_tool(
            ("xcrun", "devicectl", *arguments, "--json-output", str(file)), _SHORT_LIMIT
        )
        try:
            with file.open("rb") as opened:
                document = json.loads(opened.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            document = {}
    return outcome, document if isinstance(document, dict) else {}


def _object(record: dict, key: str) -> dict:
    value = record.get(key)
    return value if isinstance(value, dict) else {}
