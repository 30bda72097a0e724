"""Targets in environments: times of another interpreter, and counts in place of times."""

import json

import pytest

import validation.latency.targets.environments
from reference.common.errors import ArtifactError
from validation import known_targets
from validation.artifacts.artifact import load_artifact
from validation.latency.document import any_failed, build_document
from validation.latency.instructions import StageCounts, counts_record
from validation.latency.machine.host import HostState
from validation.latency.running.environment_runner import EnvironmentRunner
from validation.latency.running.plan import Plan
from validation.latency.running.session import WarmUp
from validation.latency.targets.environments import EmulatedTarget, RuntimeTarget
from validation.report import write_latency_report

PLAN = Plan("short", runs=10, seconds=0.0)
STAGES = ["image_encoder", "mask_decoder"]


class QuietHost:
    """A machine that nobody else uses."""

    def __init__(self, cores):
        self.cores = tuple(cores)[:1]

    def state(self):
        return HostState(0.0, None, 0.0, None, None, None)

    def unwatched(self):
        return []


@pytest.fixture
def quiet(monkeypatch):
    """One core of a quiet machine, where three runs are a warm-up."""
    monkeypatch.setattr(validation.latency.targets.environments, "Host", QuietHost)
    monkeypatch.setattr(
        EnvironmentRunner,
        "warm_up",
        lambda self, stage: WarmUp(self.turn(stage, 3).seconds, steady=True),
    )


@pytest.mark.usefixtures("quiet")
def test_runtime_is_timed(here_set_up, tiny_artifact):
    artifacts = [load_artifact(tiny_artifact)] * 2
    result = RuntimeTarget(here_set_up).measure(artifacts, PLAN, None)
    first, second = result.measurements
    assert [first.status, second.status] == ["measured", "measured"], first.reasons
    assert first.load.engine.endswith("right here")
    assert first.load.seconds > 0
    libraries, peak = first.memory
    assert 10_000_000 < libraries < peak
    for stage in STAGES:
        times = second.stages[stage]
        assert times.first.seconds[0] > 0
        assert times.summary.runs == 10
        assert result.ratio(second, stage).pairs == 2
    assert list(second.stages) == STAGES
    document = build_document([result], PLAN, None)
    assert not document["targets"][0]["emulated"]
    assert document["targets"][0]["artifacts"][0]["instructions"] == {}


def test_emulated_target_counts(here_set_up, tiny_artifact, tmp_path):
    artifacts = [load_artifact(tiny_artifact)] * 2
    result = EmulatedTarget(here_set_up).measure(artifacts, PLAN, None)
    assert [item.status for item in result.measurements] == ["measured"] * 2

    document = build_document([result], PLAN, None)
    (target,) = document["targets"]
    assert target["emulated"]
    assert target["description"] == "emulated: instructions, not time, right here"
    for artifact, ratio in zip(target["artifacts"], (None, 1.0), strict=True):
        assert (artifact["stages"], artifact["load"], artifact["memory"]) == ({}, None, None)
        assert artifact["note"].startswith("emulated: lite interpreter of torch")
        expected = {"first": 2000, "later": [2000] * 2, "median": 2000, "ratio_to_first": ratio}
        assert artifact["instructions"] == dict.fromkeys(STAGES, expected)
    write_latency_report(tmp_path / "report", document, command="validate latency")
    assert "here:1" in (tmp_path / "report" / "latency.html").read_text()


def test_one_that_cannot_be_loaded_harms_no_other(here_set_up, tiny_artifact, tmp_path):
    sound = load_artifact(tiny_artifact)
    damaged = load_artifact(tiny_artifact)
    (tmp_path / "none.ptl").write_bytes(b"not TorchScript")
    damaged.components["mask_decoder"] = tmp_path / "none.ptl"
    result = EmulatedTarget(here_set_up).measure([damaged, sound], PLAN, None)
    assert [item.status for item in result.measurements] == ["failed", "measured"]
    assert any_failed([result])
    assert "cannot run it" in result.measurements[0].reasons[0]
    record = build_document([result], PLAN, None)["targets"][0]["artifacts"]
    assert record[0]["instructions"] == {}
    assert record[1]["instructions"]["image_encoder"]["ratio_to_first"] is None


def test_interruption_ends_the_program(here_set_up, tiny_artifact, monkeypatch):
    opened = []

    def interrupt(self, stage):
        opened.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(EnvironmentRunner, "count", interrupt)
    with pytest.raises(KeyboardInterrupt):
        EmulatedTarget(here_set_up).measure([load_artifact(tiny_artifact)], PLAN, None)
    with pytest.raises(ArtifactError, match="is closed"):
        opened[0].first("image_encoder")


def test_ratio_and_spread_of_counts():
    first = {"image_encoder": StageCounts(300_000_000, (200_000_000, 201_000_000))}
    second = {"image_encoder": StageCounts(150_000_000, (100_250_000, 100_250_000))}
    assert first["image_encoder"].spread == pytest.approx(1 / 200.5)
    assert second["image_encoder"].spread == 0
    assert counts_record(first, first)["image_encoder"]["ratio_to_first"] is None
    assert counts_record(second, first)["image_encoder"] == {
        "first": 150_000_000,
        "later": [100_250_000] * 2,
        "median": 100_250_000,
        "ratio_to_first": 0.5,
    }


@pytest.mark.usefixtures("empty_cache")
def test_not_set_up_is_not_run(validate, tiny_artifact):
    arguments = ("--target", "arm64", "--target", "runtime:2.1.0", "--json", "-")
    status, out, err = validate("latency", tiny_artifact, *arguments)
    assert (status, err) == (0, "")
    for target in json.loads(out)["targets"]:
        name = target["target"]
        assert target["missing"].endswith(f"run 'validate setup {name}'")
        (artifact,) = target["artifacts"]
        assert (artifact["status"], artifact["reasons"]) == ("not run", [target["missing"]])


@pytest.mark.usefixtures("empty_cache")
def test_targets_say_what_sets_them_up():
    targets = known_targets()
    for name in ("arm64", "runtime:2.1.0"):
        reason = f"{name} is not set up here: run 'validate setup {name}'"
        assert targets[name].missing() == reason
    assert targets["arm64"].measures.startswith("emulated: instructions, not time")


@pytest.mark.parametrize("name", ["arm64", "runtime:2.1.0"])
def test_core_ml_package_is_refused(refuses, tiny_package, name):
    expected = f"its format is coreml: expected torchscript for the target {name}"
    refuses(expected, "latency", tiny_package, "--target", name)


def test_threads_are_not_an_environments(refuses, tiny_artifact):
    refuses("--threads and --cores", "latency", tiny_artifact, "--target", "arm64", "--threads", 2)
