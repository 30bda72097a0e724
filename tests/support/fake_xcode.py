"""A fake xcodebuild and xcrun devicectl, run as a program. Its iPhone is a folder.

FAKE_PHONES names the file that describes it. It prints and writes the same as the real programs. Sources:
devicectl's JSON as in Flutter's packages/flutter_tools/test/general.shard/ios/core_devices_test.dart and
github.com/expo/expo/pull/48001, its errors as quoted there; xcodebuild's messages as in
github.com/appium/appium/issues/12669; TEST_RUNNER_ variables: man xcodebuild, quoted in
github.com/getsentry/XcodeBuildMCP/pull/102.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from tests.support import fake_app

CONFIGURATION = Path(os.environ["FAKE_PHONES"])
STATE = json.loads(CONFIGURATION.read_text())
ROOT = Path(STATE["root"])
BUNDLE = "org.mobilesam.sample"
NOT_FOUND = (
    "ERROR: The specified device was not found. (com.apple.dt.CoreDeviceError error 1000 (0x3E8))"
)


def main(program: str, arguments: list[str]) -> int:
    """Answer a call of xcodebuild or xcrun, and log its arguments."""
    with Path(STATE["log"]).open("a") as log:
        log.write(json.dumps([program, *arguments]) + "\n")
    if program == "xcodebuild":
        return xcodebuild(arguments)
    tool, *rest = arguments
    assert tool == "devicectl"
    options = dict(zip(rest, rest[1:], strict=False))
    if rest[:2] == ["list", "devices"]:
        return answer(
            options,
            "devicectl.list.devices",
            {"devices": list(map(record, STATE["phones"].items()))},
        )
    if options["--device"] not in STATE["phones"]:
        return fail(NOT_FOUND)
    if rest[:3] == ["device", "info", "apps"]:
        assert options["--bundle-id"] == BUNDLE
        apps = [{"bundleIdentifier": BUNDLE, "name": "MobileSAM", "version": "1.0.0"}]
        return answer(options, "devicectl.device.info.apps", {"apps": apps if STATE["app"] else []})
    assert rest[:2] == ["device", "copy"]
    assert options["--domain-type"] == "appDataContainer"
    assert options["--domain-identifier"] == BUNDLE
    return copy(rest[2], options["--source"], options["--destination"], options)


def copy(direction: str, source: str, destination: str, options: dict) -> int:
    if direction == "from":
        if not (ROOT / source).is_file():
            return fail(
                "ERROR: The file could not be found on the device. (com.apple.dt.CoreDeviceError error 7000 (0x1B58))"
            )
        shutil.copyfile(ROOT / source, destination)
        return 0
    if STATE.get("vanishes") == "copy":
        vanish()
        return fail(
            "ERROR: The device disconnected immediately after connecting. "
            "(com.apple.dt.CoreDeviceError error 4000 (0xFA0))"
        )
    if options.get("--remove-existing-content") == "true":
        shutil.rmtree(ROOT / destination, ignore_errors=True)
    shutil.copytree(source, ROOT / destination)
    print("Files copied to the device")
    return 0


def xcodebuild(arguments: list[str]) -> int:
    options = dict(zip(arguments, arguments[1:], strict=False))
    assert arguments[0] == "test-without-building"
    assert Path(options["-xctestrun"]).is_file()
    assert "-only-testing:MobileSAMSampleTests/RegressionTests" in arguments
    platform, _, identifier = options["-destination"].partition(",id=")
    assert platform == "platform=iOS"
    if STATE.get("vanishes") == "test":
        vanish()
        return fail(
            "xcodebuild: error: Unable to find a destination matching the provided destination specifier:\n"
            f"\t\t{{ platform:iOS, id:{identifier} }}",
            70,
        )
    if STATE.get("busy"):
        return fail(
            "xcodebuild: error: Timed out waiting for all destinations matching the provided destination "
            'specifier to become available\n\tIneligible destinations for the "MobileSAMSample" scheme:\n'
            f"\t\t{{ platform:iOS, id:{identifier}, name:A phone, error:A phone is busy (Preparing the device) }}",
            70,
        )
    print("Testing started on 'A phone'")
    fault = STATE.get("fault")
    environment = {
        key.removeprefix("TEST_RUNNER_MOBILE_SAM_").lower(): text
        for key, text in os.environ.items()
        if key.startswith("TEST_RUNNER_MOBILE_SAM_")
    }
    assert environment["compute_units"] == "all"
    if fault == "crash at once":
        print(
            "MobileSAMSample (512) encountered an error (Early unexpected exit, "
            "operation never finished bootstrapping - no restart will be attempted.)"
        )
        print("** TEST EXECUTE FAILED **")
        return 65
    text = json.dumps(fake_app.results(ROOT / environment["artifact"], "ios", environment, fault))
    (ROOT / environment["results"]).write_text(text)
    failed = fault in ("wrong mask", "crash")
    print("** TEST EXECUTE FAILED **" if failed else "** TEST EXECUTE SUCCEEDED **")
    return 65 if failed else 0


def record(phone: tuple[str, dict]) -> dict:
    identifier, changes = phone
    return {
        "capabilities": [],
        "connectionProperties": {
            "authenticationType": "manualPairing",
            "pairingState": changes.get("pairingState", "paired"),
            "transportType": "wired",
            "tunnelState": changes.get("tunnelState", "connected"),
        },
        "deviceProperties": {
            "developerModeStatus": changes.get("developerModeStatus", "enabled"),
            "name": "A phone",
            "osVersionNumber": "18.1",
        },
        "hardwareProperties": {
            "deviceType": "iPhone",
            "marketingName": "iPhone 15 Pro",
            "platform": changes.get("platform", "iOS"),
            "productType": "iPhone16,1",
            "reality": changes.get("reality", "physical"),
            "udid": identifier,
        },
        "identifier": "AAAAAAAA-1111-2222-3333-BBBBBBBBBBBB",
    }


def answer(options: dict, command: str, result: dict) -> int:
    information = {"commandType": command, "jsonVersion": 2, "outcome": "success"}
    Path(options["--json-output"]).write_text(json.dumps({"info": information, "result": result}))
    return 0


def vanish() -> None:
    CONFIGURATION.write_text(json.dumps({**STATE, "phones": {}}))


def fail(text: str, status: int = 1) -> int:
    print(text, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
