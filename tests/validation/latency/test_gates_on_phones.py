"""The user's gates reach the app on a phone, which holds masks to them."""

import json

import pytest

import validation.latency.measure
from validation.latency.running.plan import Plan


@pytest.fixture
def phone(install_phones, monkeypatch):
    monkeypatch.setattr(validation.latency.measure, "QUICK", Plan("quick", runs=10, seconds=0.5))
    phones = {"A1": "device"}
    return install_phones("fake_adb", {"adb": ""}, phones=phones, app=True, benchmark=False)


@pytest.fixture
def gates(tmp_path):
    path = tmp_path / "gates.toml"
    path.write_text("[torchscript.none]\nmin_iou = 0.5\n")
    return path


def test_the_app_gets_the_users_gates(validate, phone, gates, tiny_artifact):
    command = "latency", tiny_artifact, "--target", "android", "--gates", gates, "--json", "-"
    status, out, _ = validate(*command)
    (artifact,) = json.loads(out)["targets"][0]["artifacts"]
    assert (status, artifact["reasons"]) == (0, [])
    assert artifact["phone"]["limits"]["min_iou"] == 0.5


def test_gates_without_a_phone_are_refused(refuses, gates, tiny_artifact):
    expected = f"--gates {gates} with cpu: expected the target android or ios"
    refuses(expected, "latency", tiny_artifact, "--gates", gates)


def test_gates_of_no_scheme_are_refused(refuses, phone, gates, tiny_artifact):
    gates.write_text("[torchscript.int3]\nmin_iou = 0.5\n")
    command = "latency", tiny_artifact, "--target", "android", "--gates", gates
    refuses("expected a scheme of torchscript", *command)
