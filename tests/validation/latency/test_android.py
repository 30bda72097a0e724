"""The target android with a fake adb, which prints what the real one does."""

import json
import shutil

import pytest

import validation.latency.phones.android_phone
from validation import known_targets
from validation.latency.device_results import read_device_results

SERIAL = "38111FDJH00A1B"


@pytest.fixture
def platform():
    return "android"


@pytest.fixture
def phone(install_phones):
    """One phone with the sample app."""
    phones = {SERIAL: "device"}
    return install_phones("fake_adb", {"adb": ""}, phones=phones, app=True, benchmark=False)


def test_phone_with_the_app(measured, phone, tiny_artifact):
    status, target = measured(tiny_artifact)
    assert status == 0
    assert target["description"] == f"Pixel 8, Android 15, serial number {SERIAL}"
    (artifact,) = target["artifacts"]
    assert (artifact["status"], artifact["reasons"]) == ("measured", [])
    assert (
        artifact["engine"] == "a runtime 2.1.0 on cpu with 4 threads in org.mobilesam.sample 1.0.0"
    )
    assert artifact["load"]["seconds"] == 0.4
    assert not artifact["load"]["cold"]
    assert artifact["memory"]["added_bytes"] == 500_000_000
    decoder = artifact["stages"]["mask_decoder"]
    assert decoder["first"]["seconds"] == [0.06]
    assert decoder["summary"]["min"] == 0.03
    assert (
        decoder["summary"]["runs"] == sum(len(turn["seconds"]) for turn in decoder["turns"]) >= 10
    )
    assert len(decoder["turns"]) > 1
    # The app's document is kept unchanged, for validate ingest.
    results = read_device_results(json.dumps(artifact["phone"]))
    assert results.device.model == "Pixel 8"
    assert [min(case.mask_ious) for case in results.cases] == [0.9999] * 7
    assert phone.files == []


def test_artifacts_one_after_another_make_no_ratio(measured, phone, tiny_artifact, tmp_path):
    other = shutil.copytree(tiny_artifact, tmp_path / "other")
    _, target = measured(tiny_artifact, other)
    stages = [artifact["stages"]["mask_decoder"] for artifact in target["artifacts"]]
    assert [stage["ratio_to_first"] for stage in stages] == [None, None]


def test_nothing_but_words_reaches_the_phones_shell(measured, phone, tiny_artifact, tmp_path):
    odd = shutil.copytree(tiny_artifact, tmp_path / "odd; reboot $(reboot)")
    status, _ = measured(odd)
    assert status == 0
    commands = [request[3:] for request in phone.requests if request[2:3] == ["shell"]]
    assert commands
    assert all(word.replace("_", "").isascii() for words in commands for word in words)
    assert not any(set(word) & set(" ;$()&|<>'\"`\\*?") for words in commands for word in words)


def test_wrong_mask(measured, phone, tiny_artifact):
    phone.set(fault="wrong mask")
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert status == 1
    assert artifact["status"] == "failed"
    (reason,) = artifact["reasons"]
    assert "1 of " in reason
    assert "mask IoU 0.0100 (gate 0.998)" in reason
    assert artifact["stages"]["end_to_end"]["summary"] is not None
    assert phone.files == []


def test_score_that_is_not_finite(measured, phone, tiny_artifact):
    phone.set(fault="score is NaN")
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (1, "failed")
    assert "score not finite" in artifact["reasons"][0]


def test_hot_phone_is_invalid(measured, phone, tiny_artifact):
    phone.set(fault="hot")
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (0, "invalid")
    assert "slowed down for heat (thermal state severe)" in artifact["reasons"][0]
    assert artifact["stages"]["mask_decoder"]["summary"] is None


def test_phone_that_does_not_tell_of_heat(measured, phone, tiny_artifact):
    phone.set(fault="old system")
    status, target = measured(tiny_artifact)
    assert (status, target["unwatched"]) == (0, ["throttling for heat"])


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("crash", 1, "the app ended early: running the mask decoder"),
        ("crash at once", 1, "the app wrote no results (Process crashed.)"),
        ("no tests", 1, "the app wrote no results (Unable to find instrumentation info"),
        ("cut off", 1, "is not valid JSON"),
        ("extra field", 1, "has 'surprise'"),
        ("another artifact", 1, "do not have the artifact of tiny-torchscript"),
        ("another limit", 1, "do not have the limits of tiny-torchscript"),
        ("a case is missing", 1, "do not have the golden cases of tiny-torchscript"),
        ("few runs", 0, "mask decoder: only 1 runs in 0.0 s"),
    ],
)
def test_what_the_app_gets_wrong(measured, phone, tiny_artifact, fault, status, said):
    phone.set(fault=fault)
    found, target = measured(tiny_artifact)
    assert found == status
    (reason,) = target["artifacts"][0]["reasons"]
    assert said in reason
    assert "\n" not in reason
    assert phone.files == []


def test_app_that_hangs(measured, phone, tiny_artifact, monkeypatch):
    monkeypatch.setattr(validation.latency.phones.android_phone, "LONGEST_TEST", 2.0)
    phone.set(fault="hangs")
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (1, "failed")
    assert "adb did not end within 2 s" in artifact["reasons"][0]
    assert phone.files == []


def test_results_before_a_crash_are_kept(measured, phone, tiny_artifact):
    phone.set(fault="crash")
    _, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert artifact["stages"]["image_encoder"]["summary"]["runs"] >= 10
    assert len(artifact["phone"]["cases"]) == 1


@pytest.mark.parametrize("moment", ["push", "test", "head"])
def test_phone_that_vanishes(measured, phone, tiny_artifact, tmp_path, moment):
    phone.set(vanishes=moment)
    other = shutil.copytree(tiny_artifact, tmp_path / "other")
    status, target = measured(tiny_artifact, other)
    first, second = target["artifacts"]
    assert status == 1
    assert first["status"] == "failed"
    (reason,) = first["reasons"]
    assert "the phone was disconnected before it could" in reason
    assert reason.count("disconnected") == 1
    assert (second["status"], second["reasons"]) == (
        "not run",
        ["the phone was disconnected while tiny-torchscript was measured: connect it again"],
    )


def test_busy_phone(measured, phone, tiny_artifact):
    folder = phone.root / "data/local/tmp/mobile-sam-export"
    folder.mkdir(parents=True)
    (folder / "of another run").touch()
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (0, "not run")
    assert "the phone is busy with another run" in artifact["reasons"][0]
    assert len(phone.files) == 1


def test_phone_without_room(measured, phone, tiny_artifact):
    phone.set(full=True)
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (1, "failed")
    (reason,) = artifact["reasons"]
    assert "the phone cannot take the artifact (adb: error: failed to copy" in reason
    assert "No space left on device" in reason


def test_benchmark_where_there_is_no_app(measured, phone, tiny_artifact):
    phone.set(app=False, benchmark=True)
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (0, "measured")
    assert artifact["note"].startswith("speed_benchmark_torch on a bundled input: masks")
    assert list(artifact["stages"]) == ["image_encoder", "mask_decoder"]
    assert artifact["stages"]["image_encoder"]["summary"]["median"] == pytest.approx(1.23457)
    decoder = artifact["stages"]["mask_decoder"]["summary"]
    assert decoder["median"] == pytest.approx(0.030123)
    assert decoder["runs"] * decoder["median"] >= 0.5
    assert (artifact["load"], artifact["memory"], artifact["phone"]) == (None, None, None)
    assert phone.files == []


def test_benchmark_that_gives_too_few_times(measured, phone, tiny_artifact):
    phone.set(app=False, benchmark=True, fault="few runs")
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (1, "failed")
    assert "speed_benchmark_torch gave 4 times" in artifact["reasons"][0]


@pytest.mark.parametrize(
    ("state", "target", "said"),
    [
        ({"phones": {}}, "android", "adb finds no phone: connect it"),
        ({"phones": {SERIAL: "unauthorized"}}, "android", "unlock it and allow USB debugging"),
        ({"phones": {SERIAL: "offline"}}, "android", "plug it in again"),
        ({"phones": {SERIAL: "recovery"}}, "android", "wait until it has started Android"),
        (
            {
                "phones": {
                    SERIAL: "no permissions (missing udev rules? user is in the plugdev group)"
                }
            },
            "android",
            "allow this user to use the USB port",
        ),
        ({"phones": {"A": "device", "B": "device"}}, "android", "several phones (A, B): name one"),
        ({}, "android:emulator-5554", "adb finds no phone emulator-5554"),
        (
            {"app": False},
            "android",
            "has neither the sample app's tests (org.mobilesam.sample.test)",
        ),
        ({"server fails": True}, "android", "adb cannot list phones (adb: cannot connect"),
    ],
)
def test_phones_that_are_not_ready(measured, phone, tiny_artifact, state, target, said):
    phone.set(**state)
    status, result = measured(tiny_artifact, target=target)
    assert status == 0
    assert said in result["missing"]
    assert "\n" not in result["missing"]
    assert result["artifacts"][0]["status"] == "not run"


def test_one_of_several(measured, phone, tiny_artifact, monkeypatch):
    phone.set(phones={"A": "device", "B": "device", "C": "offline"})
    _, target = measured(tiny_artifact, target="android:B")
    assert target["target"] == "android:B"
    assert target["description"].endswith("serial number B")
    monkeypatch.setenv("ANDROID_SERIAL", "A")
    _, target = measured(tiny_artifact)
    assert target["description"].endswith("serial number A")
    monkeypatch.delenv("ANDROID_SERIAL")
    phone.set(phones={"A": "unauthorized", "B": "device"})
    _, target = measured(tiny_artifact)
    assert target["description"].endswith("serial number B")


def test_phone_that_is_not_connected_is_missing(phone):
    assert known_targets()["android"].missing() is None
    phone.set(phones={})
    assert known_targets()["android"].missing().startswith("adb finds no phone")


def test_no_adb(measured, tiny_artifact, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    status, target = measured(tiny_artifact)
    assert (status, target["missing"][:20]) == (0, "adb is not installed")


def test_refusals(refuses, phone, tiny_artifact, tiny_package, tmp_path):
    refuses(
        "its format is coreml: expected torchscript", "latency", tiny_package, "--target", "android"
    )
    refuses("is not the serial number", "latency", tiny_artifact, "--target", "android:-s x")
    refuses("'' is not the serial number", "latency", tiny_artifact, "--target", "android:")


def test_goldens_that_prove_nothing(measured, phone, tiny_artifact, empty_goldens):
    """Every mask equals its golden mask, but all of them are empty."""
    empty_goldens(tiny_artifact)
    status, target = measured(tiny_artifact)
    (artifact,) = target["artifacts"]
    assert (status, artifact["status"]) == (1, "failed")
    assert "nothing was proven in any case: each mask of the reference" in artifact["reasons"][0]
