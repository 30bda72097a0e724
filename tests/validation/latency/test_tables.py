"""The tables that ``validate latency`` and ``validate targets`` print, of targets whose results are made up."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import validation.commands.latency
from tests.support import fake_app
from validation.latency.core_ml_plan.placement import (
    CPU,
    NEURAL_ENGINE,
    PlacedOperation,
    summarize,
)
from validation.latency.device_results import read_device_results
from validation.latency.instructions import StageCounts
from validation.latency.results import Measurement, StageTimes, TargetResult, Turn
from validation.latency.running.plan import STAGES, Plan
from validation.latency.running.session import Load, WarmUp
from validation.latency.targets import registry

PLAN = Plan("made up", runs=10, seconds=0.0)
BUSY = "other processes used more than 0.1 of a core"
HOT = "the processor slowed down for heat"


@dataclass(frozen=True)
class MadeUpTarget:
    """A target that gives the results of ``results``, a function of the artifacts."""

    name: str
    measures: str
    reason: str | None = None
    results: Callable | None = None

    def require_fitting(self, artifacts, image):
        pass

    def missing(self):
        return self.reason

    def measure(self, artifacts, plan, image):
        return self.results(self.name, artifacts)


@pytest.fixture
def use_targets(monkeypatch):
    """Make these targets the only ones that the commands know."""

    def use(*targets):
        known = {target.name: target for target in targets}
        for module in (registry, validation.commands.latency):
            monkeypatch.setattr(module, "known_targets", lambda: known)

    return use


def times(seconds, disturbance=None, first_disturbance=None):
    """Return three turns of five runs each, which differ a little."""
    runs = tuple(seconds * factor for factor in (0.98, 1.0, 1.0, 1.01, 1.05))
    turns = [Turn(tuple(factor * run for run in runs), disturbance) for factor in (1.0, 1.02, 0.99)]
    first = Turn((3 * seconds,), first_disturbance)
    return StageTimes(PLAN, first, WarmUp(runs, steady=True), turns)


def end_to_end(seconds):
    result = times(seconds)
    result.first = None
    return result


def processor(name, artifacts):
    """One artifact was measured, one is invalid in one stage, and one crashed."""
    lite, package, broken = map(Measurement, artifacts)
    lite.load = Load("lite interpreter of torch 2.0", 0.25, None, 0.25)
    lite.memory = 200_000_000, 300_000_000
    stages = times(1.2, first_disturbance=BUSY), times(0.04), end_to_end(1.3)
    lite.stages = dict(zip(STAGES, stages, strict=True))
    package.load = Load("mil_runtime (declared numerics)", 1.5, "the system forbids it", 1.5)
    package.load_disturbance = BUSY
    package.note = "mil_runtime, not Core ML"
    stages = times(1.8), times(0.05, HOT), end_to_end(1.9)
    package.stages = dict(zip(STAGES, stages, strict=True))
    broken.failure = "image encoder: the engine crashed (SIGSEGV)"
    measurements = [lite, package, broken]
    unwatched = ["the load of other processes", "power saving"]
    return TargetResult(name, "2 threads; a machine", False, None, measurements, unwatched)


def core_ml(name, artifacts):
    _, package, _ = map(Measurement, artifacts)
    package.load = Load("Core ML of macOS 15.1 (all compute units)", 0.5, None, 0.5)
    package.stages = {"image_encoder": times(0.01)}
    placed = [
        PlacedOperation("fast", "conv", NEURAL_ENGINE, (NEURAL_ENGINE, CPU), 0.5),
        *(PlacedOperation(f"x{i}", "pad", CPU, (CPU,), 0.01 * i) for i in range(4)),
        *(PlacedOperation(f"y{i}", "cast", CPU, (CPU, NEURAL_ENGINE), 0.015 * i) for i in range(3)),
        PlacedOperation("unknown", "cast", CPU, (CPU, NEURAL_ENGINE), None),
    ]
    package.placement = {
        "image_encoder": summarize(NEURAL_ENGINE, placed, 3),
        "mask_decoder": summarize(NEURAL_ENGINE, [], 0),
    }
    return TargetResult(name, "a Mac", False, None, [package])


def emulator(name, artifacts):
    first, second, _ = map(Measurement, artifacts)
    first.note = second.note = "emulated: lite interpreter of torch 2.0"
    first.counts = {
        "image_encoder": StageCounts(300_000_000, (200_000_000, 201_000_000)),
        "mask_decoder": StageCounts(30_000_000, (20_000_000, 20_000_000)),
    }
    second.counts = {"image_encoder": StageCounts(150_000_000, (100_250_000, 100_250_000))}
    return TargetResult(
        name, "emulated: instructions, not time", False, None, [first, second], emulated=True
    )


def phone(name, artifacts):
    """On one artifact a mask is wrong, and on the other the app crashed before the first case."""
    wrong, _, crashed = map(Measurement, artifacts)
    wrong.phone = device_results(wrong.artifact, "wrong mask")
    wrong.load = Load("a runtime 2.1.0 on cpu", 0.4, "it is a phone", 0.0)
    wrong.stages = {"image_encoder": times(0.7)}
    wrong.failure = "1 of 7 golden cases are wrong on the phone"
    crashed.phone = device_results(crashed.artifact, "crash", cases=[])
    crashed.failure = "the app ended early: running the mask decoder"
    return TargetResult(name, "Pixel 8", False, None, [wrong, crashed], side_by_side=False)


def device_results(artifact, fault, **changes):
    settings = {"runs": 10, "seconds": 0, "min_iou": 0.999, "max_score_difference": 0.01}
    document = fake_app.results(artifact.folder, "android", settings, fault)
    return read_device_results(json.dumps(document | changes))


def absent(name, artifacts):
    reason = "it needs 4 cores, but this machine has 2"
    measurements = [Measurement(artifact, missing=reason) for artifact in artifacts]
    return TargetResult(name, "device-like, not a phone: 4 threads", True, reason, measurements)


def test_latency(validate, use_targets, tiny_artifact, tiny_package, golden_text, tmp_path):
    broken = shutil.copytree(tiny_artifact, tmp_path / "broken")
    results = (processor, core_ml, emulator, phone, absent)
    use_targets(*(MadeUpTarget(each.__name__, "", results=each) for each in results))
    targets = [word for each in results for word in ("--target", each.__name__)]
    outputs = ("--report", tmp_path / "report", "--json", tmp_path / "latency.json")
    status, out, err = validate("latency", tiny_artifact, tiny_package, broken, *targets, *outputs)
    assert (status, err) == (1, "")
    golden_text(out, "latency.txt", folder=str(tmp_path))


def test_targets(validate, use_targets, golden_text):
    use_targets(
        MadeUpTarget("cpu", "milliseconds of this machine's processor"),
        MadeUpTarget("coreml-all", "milliseconds of Core ML", "Core ML runs on macOS only"),
    )
    status, out, err = validate("targets")
    assert (status, err) == (0, "")
    golden_text(out, "targets.txt")
    status, out, err = validate("targets", "--json", "-")
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "schema": "mobile-sam-export/targets/1",
        "targets": [
            {
                "target": "cpu",
                "description": "milliseconds of this machine's processor",
                "missing": None,
            },
            {
                "target": "coreml-all",
                "description": "milliseconds of Core ML",
                "missing": "Core ML runs on macOS only",
            },
        ],
    }
