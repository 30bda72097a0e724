"""Finds Android phones with adb, and looks for the app or benchmark on them."""

import os
import re
import shutil
from dataclasses import dataclass

from validation.documents.verdicts import Unavailable
from validation.latency.phones.external_tool import ToolError, ToolOutcome, quote, run_tool

PACKAGE = "org.mobilesam.sample"
# The app has an android.app.Instrumentation of its own, so that its test needs no test library.
RUNNER = f"{PACKAGE}.test/{PACKAGE}.RegressionInstrumentation"
BENCHMARK = "/data/local/tmp/speed_benchmark_torch"
SERIAL = re.compile(r"[\[A-Za-z0-9][A-Za-z0-9._:%\[\]-]{0,99}")

_TIME_LIMIT = 30.0  # seconds
# States in `adb devices` other than "device", and the advice for each.
_STATES = {
    "unauthorized": "unlock it and allow USB debugging for this computer",
    "offline": "plug it in again, or run 'adb reconnect'",
    "no permissions": "allow this user to use the USB port: see 'adb devices'",
}


@dataclass(frozen=True)
class Adb:
    """Runs adb for one phone."""

    serial: str

    def run(self, *arguments: str, time_limit: float = _TIME_LIMIT) -> ToolOutcome:
        """Run one of adb's own commands, such as push."""
        return run_tool(["adb", "-s", self.serial, *arguments], time_limit)

    def shell(self, *words: str, time_limit: float = _TIME_LIMIT) -> ToolOutcome:
        """Run a command on the phone. Its shell parses ``words``, so they must not contain special characters."""
        return self.run("shell", *words, time_limit=time_limit)


@dataclass(frozen=True)
class FoundAndroidPhone:
    """A phone that is ready to measure.

    Attributes:
        adb: the adb for this phone.
        description: the phone's model, system and serial number.
        has_app: whether the sample app's tests are installed; if not, the benchmark is.
    """

    adb: Adb
    description: str
    has_app: bool


def find_phone(wanted: str | None) -> FoundAndroidPhone | Unavailable:
    """Find a phone by its serial number, by ANDROID_SERIAL, or as the only one that is ready.

    Args:
        wanted: the phone's serial number, or None.

    Returns:
        The phone, or the reason why there is none.
    """
    wanted = wanted or os.environ.get("ANDROID_SERIAL") or None
    if shutil.which("adb") is None:
        return Unavailable("adb is not installed: install Android's platform-tools")
    try:
        serial = _ready_serial(wanted)
        return serial if isinstance(serial, Unavailable) else _look_at(serial)
    except ToolError as error:
        return Unavailable(f"{error}: restart it with 'adb kill-server'")


def _ready_serial(wanted: str | None) -> str | Unavailable:
    """Return the serial number of the phone to measure on, if it is ready."""
    listed = run_tool(["adb", "devices"], _TIME_LIMIT)
    if listed.status:
        return Unavailable(
            f"adb cannot list phones ({listed.complaint}): restart it with 'adb kill-server'"
        )
    # Each line has a serial number, a tab and a state (adb's source: transport.cpp, append_transport).
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
    if state == "device" and SERIAL.fullmatch(serial):
        return serial
    advice = next((text for name, text in _STATES.items() if state.startswith(name)), None)
    return Unavailable(
        f"the phone {quote(serial)} is in the state '{quote(state)}': "
        f"{advice or 'wait until it has started Android'}"
    )


def _look_at(serial: str) -> FoundAndroidPhone | Unavailable:
    """Describe the phone, and check that it has the app's tests or the benchmark."""
    adb = Adb(serial)
    tests = adb.shell("pm", "list", "instrumentation", PACKAGE)
    if tests.status:
        return Unavailable(
            f"the phone {serial} cannot list its tests ({tests.complaint}): connect it again"
        )
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
    return FoundAndroidPhone(adb, f"{model}, Android {version}, serial number {serial}", installed)
