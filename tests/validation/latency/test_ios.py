"""The target ios with fakes of xcodebuild and devicectl, which print and write what the real ones do."""

import json
import shutil

import pytest

from validation.latency.device_results import read_device_results

UDID = "00008130-001234560E12001C"


@pytest.fixture
def platform():
    return "ios"


@pytest.fixture
def phone(install_phones, monkeypatch, tmp_path_factory):
    """One phone with the sample app, and tests that were built."""
    tests = tmp_path_factory.mktemp("tests") / "MobileSAMSample_iphoneos18.1-arm64.xctestrun"
    tests.touch()
    monkeypatch.setenv("MOBILE_SAM_XCTESTRUN", str(tests))
    programs = {"xcodebuild": "xcodebuild", "xcrun": "xcrun"}
    phones = install_phones("fake_xcode", programs, phones={UDID: {}}, app=True)
    (phones.root / "Documents").mkdir()
    return phones


def test_phone_with_the_app(measured, phone, tiny_package):
    status, target = measured(tiny_package)
    assert status == 0
    assert target["description"] == f"iPhone16,1, iOS 18.1, UDID {UDID}"
    (artifact,) = target["artifacts"]
    assert (artifact["status"], artifact["reasons"]) == ("measured", [])
    assert artifact["engine"] == "a runtime 2.1.0 on all in org.mobilesam.sample 1.0.0"
    assert artifact["stages"]["end_to_end"]["summary"]["min"] == 0.8
    assert read_device_results(json.dumps(artifact["phone"])).compute.unit == "all"
    # The artifact is removed. The app's next test removes the file of results.
    assert [path.suffix for path in phone.files] == [".json"]
    assert phone.requests[-1][-2:] == ["--remove-existing-content", "true"]


def test_wrong_mask(measured, phone, tiny_package):
    phone.set(fault="wrong mask")
    status, target = measured(tiny_package)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (1, "failed")
    assert "golden cases are wrong on the phone" in artifact["reasons"][0]
    assert artifact["stages"]["end_to_end"]["summary"] is not None


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("hot", 0, "slowed down for heat (thermal state serious)"),
        ("crash", 1, "the app ended early: running the mask decoder"),
        (
            "crash at once",
            1,
            "the app wrote no results (MobileSAMSample (512) encountered an error",
        ),
        ("another artifact", 1, "do not have the artifact of tiny-coreml"),
    ],
)
def test_what_the_app_gets_wrong(measured, phone, tiny_package, fault, status, said):
    phone.set(fault=fault)
    found, target = measured(tiny_package)
    assert found == status
    assert said in target["artifacts"][0]["reasons"][0]
    assert [path.suffix for path in phone.files] in ([], [".json"])


@pytest.mark.parametrize("moment", ["copy", "test"])
def test_phone_that_vanishes(measured, phone, tiny_package, tmp_path, moment):
    phone.set(vanishes=moment)
    other = shutil.copytree(tiny_package, tmp_path / "other")
    status, target = measured(tiny_package, other)
    first, second = target["artifacts"]
    assert (status, first["status"], second["status"]) == (1, "failed", "not run")
    assert "the phone was disconnected before it could" in first["reasons"][0]
    assert "was disconnected while tiny-coreml" in second["reasons"][0]


def test_busy_phone(measured, phone, tiny_package):
    phone.set(busy=True)
    status, target = measured(tiny_package)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (0, "not run")
    assert artifact["reasons"] == [
        "the phone is busy (Preparing the device): wait until Xcode is done with it"
    ]


@pytest.mark.parametrize(
    ("state", "target", "said"),
    [
        ({"phones": {}}, "ios", "Xcode finds no phone: connect it"),
        ({"phones": {UDID: {"pairingState": "unpaired"}}}, "ios", "is not paired with this Mac"),
        ({"phones": {UDID: {"tunnelState": "unavailable"}}}, "ios", "is offline: connect it"),
        ({"phones": {UDID: {"developerModeStatus": "disabled"}}}, "ios", "not in developer mode"),
        ({"phones": {UDID: {"platform": "watchOS"}}}, "ios", "Xcode finds no phone"),
        ({"phones": {UDID: {"reality": "simulated"}}}, "ios", "Xcode finds no phone"),
        ({"phones": {"A": {}, "B": {}}}, "ios", "several phones (A"),
        ({}, "ios:B", "Xcode finds no phone B"),
        ({"app": False}, "ios", "does not have the sample app (org.mobilesam.sample)"),
    ],
)
def test_phones_that_are_not_ready(measured, phone, tiny_package, state, target, said):
    phone.set(**state)
    status, result = measured(tiny_package, target=target)
    assert status == 0
    assert said in result["missing"]
    assert "\n" not in result["missing"]
    assert result["artifacts"][0]["status"] == "not run"


def test_one_of_several(measured, phone, tiny_package):
    phone.set(phones={"A": {"tunnelState": "unavailable"}, "B": {}, "C": {}})
    _, target = measured(tiny_package, target="ios:C")
    assert (target["target"], target["artifacts"][0]["status"]) == ("ios:C", "measured")
    assert target["description"].endswith("UDID C")


def test_tests_that_are_not_there(measured, phone, tiny_package, monkeypatch):
    monkeypatch.setenv("MOBILE_SAM_XCTESTRUN", "/nowhere/tests.xctestrun")
    _, target = measured(tiny_package)
    assert target["missing"] == (
        "MOBILE_SAM_XCTESTRUN is /nowhere/tests.xctestrun: expected an .xctestrun file"
    )


def test_no_xcode(measured, tiny_package, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    status, target = measured(tiny_package)
    assert (status, target["missing"]) == (
        0,
        "xcodebuild is not installed: measure on a Mac with Xcode 16 or later",
    )


def test_refusals(refuses, phone, tiny_artifact, tiny_package):
    refuses(
        "its format is torchscript: expected coreml", "latency", tiny_artifact, "--target", "ios"
    )
    refuses("is not the UDID", "latency", tiny_package, "--target", "ios:a b")
    image = tiny_package / "goldens" / "china.png"
    arguments = (tiny_package, "--target", "ios", "--image", image)
    refuses("because its app runs the goldens", "latency", *arguments)
