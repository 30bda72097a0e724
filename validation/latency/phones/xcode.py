"""Finds iPhones with Xcode's tools, and looks for the sample app on them."""

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from validation.documents.strict_json import JsonSource
from validation.documents.verdicts import Unavailable
from validation.latency.phones.external_tool import ToolError, ToolOutcome, quote, run_tool

BUNDLE = "org.mobilesam.sample"
PROJECT = Path(__file__).parents[3] / "sample_apps" / "ios" / "MobileSAMSample.xcodeproj"
SCHEME = "MobileSAMSample"
# Environment variable with the .xctestrun file of `xcodebuild build-for-testing`, instead of the project.
TEST_RUN_VARIABLE = "MOBILE_SAM_XCTESTRUN"
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")

_TIME_LIMIT = 60.0  # seconds
_DEVICECTL = JsonSource("devicectl", "what devicectl wrote", "update Xcode", ToolError)


@dataclass(frozen=True)
class FoundIPhone:
    """A phone that is ready to measure.

    Attributes:
        identifier: the phone's UDID.
        description: the phone's model, system and UDID.
        tests: the arguments of xcodebuild that choose the tests.
    """

    identifier: str
    description: str
    tests: Sequence[str]


def find_phone(wanted: str | None) -> FoundIPhone | Unavailable:
    """Find a phone by its UDID, or the only one that is ready. Return the reason if there is none."""
    for tool in ("xcodebuild", "xcrun"):
        if shutil.which(tool) is None:
            return Unavailable(f"{tool} is not installed: measure on a Mac with Xcode 16 or later")
    tests = _tests()
    if isinstance(tests, Unavailable):
        return tests
    try:
        phone = ready_phone(wanted)
        return phone if isinstance(phone, Unavailable) else _look_at(*phone, tests)
    except ToolError as error:
        return Unavailable(str(error))


def _tests() -> list[str] | Unavailable:
    """Return the arguments of xcodebuild that choose the tests, already built or yet to be built."""
    built = os.environ.get(TEST_RUN_VARIABLE)
    if built:
        if not Path(built).is_file():
            return Unavailable(
                f"{TEST_RUN_VARIABLE} is {quote(built)}: expected an .xctestrun file"
            )
        return ["test-without-building", "-xctestrun", built]
    if not PROJECT.exists():
        return Unavailable(
            f"there is no {PROJECT.name}: work in a checkout that has sample_apps/ios, or set "
            f"{TEST_RUN_VARIABLE} to the .xctestrun file of built tests"
        )
    return ["test", "-project", str(PROJECT), "-scheme", SCHEME, "-allowProvisioningUpdates"]


def ready_phone(wanted: str | None) -> tuple[str, str] | Unavailable:
    """Return the UDID and the description of the phone to measure on, if it is ready."""
    phones = [phone for phone in _phones() if wanted in (None, phone.identifier)]
    ready = [phone for phone in phones if phone.problem is None]
    if len(ready) > 1:
        names = ", ".join(phone.identifier for phone in ready)
        return Unavailable(
            f"there are several phones ({quote(names)}): name one, as in ios:{ready[0].identifier}"
        )
    for phone in ready:
        return phone.identifier, phone.description
    for phone in phones:
        return Unavailable(f"the phone {phone.identifier} {phone.problem}")
    which = "no phone" if wanted is None else f"no phone {quote(wanted)}"
    return Unavailable(f"Xcode finds {which}: connect it, unlock it, and trust this Mac on it")


@dataclass(frozen=True)
class _ListedPhone:
    """A phone, and its problem in words that follow the UDID; the problem is None if it is ready."""

    identifier: str
    description: str
    problem: str | None


def _phones() -> list[_ListedPhone]:
    """Return the iPhones and iPads that ``devicectl list devices`` lists."""
    outcome, document = devicectl("list", "devices")
    if outcome.status:
        raise ToolError(
            f"devicectl cannot list phones ({outcome.complaint}): connect the phone again"
        )
    phones = []
    for device in _list(_object(document, "result"), "devices"):
        hardware, properties, connection = (
            _object(device, key)
            for key in ("hardwareProperties", "deviceProperties", "connectionProperties")
        )
        # Xcode 27 and later list simulators as well.
        physical = hardware.get("reality", "physical") == "physical"
        identifier = str(hardware.get("udid"))
        if hardware.get("platform") == "iOS" and physical and IDENTIFIER.fullmatch(identifier):
            model = hardware.get("productType", "iPhone")
            version = properties.get("osVersionNumber", "unknown")
            description = quote(f"{model}, iOS {version}, UDID {identifier}")
            phones.append(_ListedPhone(identifier, description, _problem(properties, connection)))
    return phones


def _problem(properties: dict, connection: dict) -> str | None:
    """Return why a phone is not ready, in words that follow its UDID, or None."""
    if connection.get("pairingState") != "paired":
        return "is not paired with this Mac: unlock it, and trust this Mac on it"
    if connection.get("tunnelState") == "unavailable":
        return "is offline: connect it, and unlock it"
    if properties.get("developerModeStatus", "enabled") != "enabled":
        return "is not in developer mode: switch that on in Settings, Privacy & Security"
    return None


def _look_at(identifier: str, description: str, tests: list[str]) -> FoundIPhone | Unavailable:
    """Return the phone if the sample app is installed on it."""
    arguments = ["device", "info", "apps", "--device", identifier, "--bundle-id", BUNDLE]
    outcome, document = devicectl(*arguments)
    if outcome.status:
        return Unavailable(
            f"the phone {identifier} cannot list its apps ({outcome.complaint}): unlock it"
        )
    apps = _list(_object(document, "result"), "apps")
    if BUNDLE not in [app.get("bundleIdentifier") for app in apps]:
        return Unavailable(
            f"the phone {identifier} does not have the sample app ({BUNDLE}): run it once from Xcode, as "
            "docs/devices.md says"
        )
    return FoundIPhone(identifier, description, tests)


def devicectl(*arguments: str) -> tuple[ToolOutcome, dict]:
    """Run ``xcrun devicectl``. Return its outcome and its JSON document, which is empty if malformed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "output.json"
        outcome = run_tool(
            ("xcrun", "devicectl", *arguments, "--json-output", str(file)), _TIME_LIMIT
        )
        try:
            document = _DEVICECTL.read(file)
        except ToolError:
            document = {}
    return outcome, document if isinstance(document, dict) else {}


def _object(record: dict, key: str) -> dict:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _list(record: dict, key: str) -> list[dict]:
    value = record.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
