"""The commands ``validate latency`` and ``validate targets``."""

import json
import os

import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

import validation.latency.measure
import validation.latency.targets.cpu
from validation import known_targets
from validation.artifacts.artifact import load_artifact
from validation.latency.machine.host import HostState
from validation.latency.running.plan import STAGES, Plan

ONE_THREAD = ("--threads", "1")  # two that wait for each other take their time on a busy machine


class FakeHost:
    """Pretend to be a machine without other load. ``saving`` is how it saves power."""

    saving = None

    def __init__(self, cores):
        self.cores = tuple(cores)

    def state(self):
        return HostState(0.0, None, 0.0, None, None, self.saving)

    def unwatched(self):
        return ["the load of other processes"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Measure only a few runs, on an undisturbed machine, for tests that do not check times."""
    monkeypatch.setattr(validation.latency.measure, "QUICK", Plan("quick", runs=10, seconds=0.0))
    monkeypatch.setattr(validation.latency.targets.cpu, "Host", FakeHost)


@pytest.mark.usefixtures("settles")
def test_two_formats_side_by_side(validate, tiny_artifact, tiny_package, tmp_path):
    path = tmp_path / "latency.json"
    outputs = ("--json", path, "--report", tmp_path / "report")
    status, _, err = validate("latency", tiny_artifact, tiny_package, *ONE_THREAD, *outputs)
    assert (status, err) == (0, "")
    assert (tmp_path / "report" / "latency.json").read_text() == path.read_text()
    assert "tiny-coreml" in (tmp_path / "report" / "latency.html").read_text()

    document = json.loads(path.read_text())
    assert document["schema"] == "mobile-sam-export/latency/2"
    assert document["plan"] == {"name": "quick", "runs": 10, "seconds": 0.0}
    (target,) = document["targets"]
    assert (target["target"], target["device_like"], target["missing"]) == ("cpu", False, None)
    assert target["unwatched"] == ["the load of other processes"]
    lite, package = target["artifacts"]
    assert (lite["status"], lite["note"], lite["reasons"]) == ("measured", None, [])
    assert package["note"] == "mil_runtime, not Core ML"
    folders = (tiny_artifact, tiny_package)
    records = [load_artifact(folder).record() for folder in folders]
    assert [entry["artifact"] for entry in target["artifacts"]] == records
    assert lite["engine"].startswith("lite interpreter of torch")
    assert package["engine"].startswith("mil_runtime")
    for artifact in (lite, package):
        assert list(artifact["stages"]) == list(STAGES)
        assert artifact["load"]["seconds"] > 0
        memory = artifact["memory"]
        assert memory["added_bytes"] == memory["peak_bytes"] - memory["libraries_bytes"] >= 0
        for stretch in memory["timeline"]:
            assert len(stretch["seconds"]) == len(stretch["bytes"]) > 0
            assert stretch["stage"] in ("load", *STAGES)
        for stage in artifact["stages"].values():
            runs = [seconds for turn in stage["turns"] for seconds in turn["seconds"]]
            assert stage["summary"]["runs"] == len(runs) >= 10
            assert stage["summary"]["min"] == min(runs)
            assert (len(stage["warm_up"]["seconds"]), stage["warm_up"]["steady"]) == (3, True)
    assert lite["stages"]["mask_decoder"]["ratio_to_first"] is None
    assert package["stages"]["mask_decoder"]["ratio_to_first"]["pairs"] == 2


@pytest.mark.slow
@pytest.mark.usefixtures("settles")
def test_later_artifact_that_cannot_be_loaded(
    validate, tiny_artifact, tiny_package, accept_files, tmp_path
):
    (model,) = tiny_package.glob("MobileSAMTinyImageEncoder.mlpackage/Data/*/model.mlmodel")
    model.write_bytes(b"not a model")
    accept_files(tiny_package)
    photo = tmp_path / "photo.png"
    Image.fromarray(load_sample_image("china.jpg")).save(photo)
    arguments = (tiny_artifact, tiny_package, *ONE_THREAD, "--image", photo, "--json", "-")
    status, out, err = validate("latency", *arguments)
    document = json.loads(out)
    (target,) = document["targets"]
    sound, damaged = target["artifacts"]
    assert (status, err) == (1, "")
    assert document["image"] == str(photo)
    assert sound["status"] == "measured"
    assert sound["stages"]["end_to_end"]["summary"]["runs"] == 10
    assert damaged["status"] == "failed"
    assert "convert the artifact again" in damaged["reasons"][0]
    assert (damaged["load"], damaged["stages"]) == (None, {})


@pytest.mark.slow
@pytest.mark.usefixtures("settles")
def test_machine_that_saves_power(validate, tiny_artifact, monkeypatch):
    monkeypatch.setattr(FakeHost, "saving", "low power mode")
    status, out, err = validate("latency", tiny_artifact, *ONE_THREAD, "--json", "-")
    assert (status, err) == (0, "")
    (target,) = json.loads(out)["targets"]
    (artifact,) = target["artifacts"]
    problem = "in 2 of 2 turns the machine saves power (low power mode)"
    assert artifact["status"] == "invalid"
    assert artifact["reasons"] == [
        f"{stage.replace('_', ' ')}: {problem}" for stage in artifact["stages"]
    ]
    assert list(artifact["stages"]) == list(STAGES)
    for stage in artifact["stages"].values():
        assert (stage["problem"], stage["summary"]) == (problem, None)


@pytest.mark.slow
@pytest.mark.usefixtures("settles")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are pinned")
def test_several_targets(validate, tiny_artifact, monkeypatch):
    monkeypatch.setattr(validation.latency.targets.cpu, "available_cores", lambda: (0,))
    arguments = ("--target", "cpu:phone", "--target", "cpu:phone-busy", "--json", "-")
    status, out, err = validate("latency", tiny_artifact, *arguments)
    big, little, busy = json.loads(out)["targets"]
    assert (status, err) == (0, "")
    for target, cores in ((big, 2), (little, 4)):
        assert target["missing"] == f"it needs {cores} cores, but this machine has 1"
        (artifact,) = target["artifacts"]
        assert (artifact["status"], artifact["reasons"]) == ("not run", [target["missing"]])
    assert busy["target"] == "cpu:phone-busy"
    assert busy["device_like"]
    assert busy["description"].startswith(
        "device-like, not a phone: 1 thread, pinned to core 0, ended above 1 GB; "
    )
    assert busy["artifacts"][0]["status"] == "measured"


def test_known_targets(monkeypatch):
    monkeypatch.setattr(validation.latency.targets.cpu, "available_cores", lambda: (0, 1))
    targets = known_targets()
    processors = [name for name in targets if name.startswith("cpu")]
    assert processors == ["cpu", "cpu:phone-big", "cpu:phone-little", "cpu:phone-busy"]
    core_ml = {"coreml-all", "coreml-cpu_and_ne", "coreml-cpu_and_gpu", "coreml-cpu_only"}
    assert core_ml | {"android", "ios"} <= targets.keys()
    assert targets["cpu"].missing() is None
    if hasattr(os, "sched_setaffinity"):
        little = targets["cpu:phone-little"]
        assert little.missing() == "it needs 4 cores, but this machine has 2"
    assert all(
        targets[name].measures.startswith("device-like, not a phone") for name in processors[1:]
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--target", "gpu"), "there is no target 'gpu': expected cpu, cpu:phone-big, "),
        (("--target", "cpu:"), "there is no target 'cpu:'"),
        (("--cores", "7000"), "'7000' is not a list of core numbers: expected one such as 0,2-3"),
        (("--cores", "1-"), "'1-' is not a list of core numbers"),
        (("--cores", "2-1"), "'2-1' is not a list of core numbers"),
        (("--cores", "4095"), "this machine has no core 4095: expected cores among "),
        (("--threads", "0"), "0 is not in the range"),
        (("--threads", "2", "--target", "cpu:phone-big"), "expected the target cpu"),
        (("--image", "no.jpg"), "no.jpg: no such file"),
        (("--json", "no/latency.json"), "no/latency.json: there is no folder"),
        (("--report", "."), "'.' exists and is not a report of validate latency"),
    ],
)
def test_refusals(refuses, tiny_artifact, arguments, expected):
    refuses(expected, "latency", tiny_artifact, *arguments)


def test_no_artifact(refuses, tmp_path):
    refuses("no such artifact folder", "latency", tmp_path / "none")
