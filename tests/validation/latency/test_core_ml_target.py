"""The target coreml, with a replacement for Core ML where coremltools would call it."""

import json
from types import SimpleNamespace

import pytest

from tests.support.late_openers import opener
from tests.support.requirements import off_the_mac
from validation.artifacts.artifact import load_artifact
from validation.latency.core_ml_plan.compute_plan import read_plans
from validation.latency.core_ml_plan.placement import (
    CPU,
    GPU,
    NEURAL_ENGINE,
    PlacedOperation,
    placement_record,
    summarize,
)
from validation.latency.document import build_document
from validation.latency.machine.host import HostState
from validation.latency.running.plan import Plan
from validation.latency.targets.core_ml import CoreMLTarget


def fakes(module):
    """Return the functions of a module in tests/support that open Core ML and load packages."""
    return opener(module, "open_engine"), opener(module, "load_models")


SHORTEST = Plan("shortest", runs=5, seconds=0.0)


def target_on_a_mac(unit, module):
    """The target of a Mac without other load, whose Core ML is a module in tests/support."""
    state = HostState(0.0, None, 0.0, None, None, None)
    host = SimpleNamespace(cores=(0,), state=lambda: state, unwatched=list)
    return CoreMLTarget(unit, *fakes(module), host=lambda cores: host, system="darwin")


@pytest.mark.usefixtures("settles")
def test_times_and_placement(tiny_package):
    target = target_on_a_mac("all", "fake_core_ml")
    assert target.missing() is None
    result = target.measure([load_artifact(tiny_package)], SHORTEST, None)
    (measurement,) = result.measurements
    assert (measurement.status, measurement.reasons, measurement.note) == ("measured", [], None)
    assert measurement.load.engine.endswith("(all compute units)")

    document = json.loads(json.dumps(build_document([result], SHORTEST, None)))
    placement = document["targets"][0]["artifacts"][0]["placement"]
    assert list(placement) == ["image_encoder", "mask_decoder"]
    encoder = placement["image_encoder"]
    assert encoder["wanted"] == NEURAL_ENGINE
    assert list(encoder["shares"]) == [NEURAL_ENGINE, GPU, CPU]
    assert sum(share["cost"] for share in encoder["shares"].values()) == pytest.approx(1)
    assert encoder["unplaced"] > 0
    on_gpu = [item for item in encoder["elsewhere"] if item["device"] == GPU]
    assert {item["operator"] for item in on_gpu} == {"layer_norm"}
    assert all(NEURAL_ENGINE in item["supported"] for item in on_gpu)
    elsewhere = encoder["shares"][GPU]["operations"] + encoder["shares"][CPU]["operations"]
    assert len(encoder["elsewhere"]) == elsewhere > 100  # more than one message holds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "devices"),
    [
        ("cpu_and_ne", {NEURAL_ENGINE, CPU}),
        ("cpu_and_gpu", {GPU, CPU}),
        ("cpu_only", {CPU}),
    ],
)
def test_each_choice_of_units_has_a_plan_of_its_own(tiny_package, unit, devices):
    artifact = load_artifact(tiny_package)
    placed, unplaced = read_plans(artifact, unit, fakes("fake_core_ml")[1])["mask_decoder"]
    assert {operation.device for operation in placed} == devices
    assert unplaced > 0


@pytest.mark.slow
@pytest.mark.usefixtures("settles")
def test_times_count_without_a_plan(tiny_package):
    target = target_on_a_mac("cpu_only", "fake_core_ml_without_plans")
    result = target.measure([load_artifact(tiny_package)], SHORTEST, None)
    (measurement,) = result.measurements
    assert measurement.status == "measured"
    assert measurement.load.engine.endswith("(CPU only)")
    assert measurement.note.startswith(
        "it is unknown where Core ML computes each operation: Core ML gives no compute plan ("
    )
    assert measurement.placement == {}


@off_the_mac
def test_off_the_mac_is_not_run(validate, tiny_package):
    status, out, err = validate("latency", tiny_package, "--target", "coreml", "--json", "-")
    targets = json.loads(out)["targets"]
    assert (status, err) == (0, "")
    assert [target["target"] for target in targets] == [
        "coreml-all",
        "coreml-cpu_and_ne",
        "coreml-cpu_and_gpu",
        "coreml-cpu_only",
    ]
    for target in targets:
        assert target["missing"] == "Core ML runs on macOS only: measure on a Mac"
        assert target["artifacts"][0]["status"] == "not run"


def test_other_formats_are_refused(refuses, tiny_artifact):
    said = "its format is torchscript: expected coreml for the target coreml-cpu_only"
    refuses(said, "latency", tiny_artifact, "--target", "coreml-cpu_only")


def test_shares_and_operations_elsewhere():
    placed = [
        PlacedOperation("fast", "conv", NEURAL_ENGINE, (NEURAL_ENGINE, CPU), 0.5),
        *(PlacedOperation(f"x{i}", "pad", CPU, (CPU,), 0.01 * i) for i in range(8)),
        PlacedOperation("unknown", "cast", CPU, (CPU, NEURAL_ENGINE), None),
    ]
    record = placement_record(summarize(NEURAL_ENGINE, placed, 3))
    assert record["shares"] == {
        NEURAL_ENGINE: {"operations": 1, "cost": 0.5},
        CPU: {"operations": 9, "cost": pytest.approx(0.28)},
    }
    assert record["unplaced"] == 3
    assert [item["name"] for item in record["elsewhere"]] == [
        *(f"x{i}" for i in range(8)),
        "unknown",
    ]
    assert placement_record(summarize(CPU, [], 0))["shares"] == {}
