"""Turns, which of them count, and what is kept after a failure, with fake runners that keep a diary."""

import pytest

from reference.common.errors import ArtifactError
from validation.documents.verdicts import Unavailable
from validation.latency.machine.host import HostState
from validation.latency.measuring import Subject, measure_side_by_side
from validation.latency.results import Measurement, TargetResult
from validation.latency.running.plan import STAGES, Plan
from validation.latency.running.session import Load, Run, WarmUp

PLAN = Plan("short", runs=20, seconds=0.0)  # four turns of five runs
CALLS = 5


class Diary:
    """A runner whose runs take given times. It fails in the turn ``dies_in`` of the mask decoder."""

    def __init__(self, name, diary, seconds=1.0, dies_in=None, steady=True, missing=None):
        self.name, self.diary, self.seconds = name, diary, seconds
        self.dies_in, self.steady, self.missing = dies_in, steady, missing
        self.turns, self.closed = 0, False

    def start(self):
        pass

    def load(self):
        return Unavailable(self.missing) if self.missing else Load("diary", 0.1, None, 0.0)

    def first(self, stage):
        return Run((2 * self.seconds,), 0.0)

    def warm_up(self, stage):
        return WarmUp((self.seconds,) * 10, self.steady)

    def turn(self, stage, calls):
        self.diary.append((stage, self.name))
        self.turns += 1
        if stage == "mask_decoder" and self.dies_in == self.turns:
            raise ArtifactError("mask decoder: the engine crashed (SIGSEGV)")
        slowdown = 1 + len(self.diary) % 7  # a noisy machine, the same for neighbors only
        return Run((self.seconds * slowdown,) * calls, 0.0)

    def memory(self):
        return 100, 150

    def close(self):
        self.closed = True


class ScriptedHost:
    """A host that is disturbed in given turns, which are counted after ``skipped`` loads and first runs."""

    cores = (0, 1)

    def __init__(self, loaded=(), skipped=0):
        self.loaded, self.asked, self.busy = {turn + skipped for turn in loaded}, 0, 0.0

    def state(self):
        turn, ends = divmod(self.asked - 1, 2)  # the first question is about the start
        self.asked += 1
        if ends and turn in self.loaded:
            self.busy += 1.0
        return HostState(float(self.asked), self.busy, 0.0, None, None, None)


@pytest.fixture
def measure():
    """Measure runners. Return the diary and the result."""

    def run(*runners, host=None):
        subjects = [Subject(runner, Measurement(artifact=None)) for runner in runners]
        measure_side_by_side(subjects, PLAN, host or ScriptedHost(), threads=2)
        assert all(runner.closed for runner in runners)
        measurements = [subject.measurement for subject in subjects]
        return TargetResult("test", "a test", False, None, measurements)

    return run


def test_turns_go_back_and_forth_stage_by_stage(measure):
    diary = []
    measure(*(Diary(name, diary) for name in "ABC"))
    expected = [(stage, name) for stage in STAGES for name in "ABCCBAABCCBA"]
    assert diary == expected


def test_ratio_is_that_of_turns_side_by_side(measure):
    diary = []

    class Steady(Diary):
        def turn(self, stage, calls):
            diary.append(self.name)
            slowdown = 1 + (len(diary) - 1) // 2  # each pair slower than the one before
            return Run((self.seconds * slowdown,) * calls, 0.0)

    result = measure(Steady("A", diary, 1.0), Steady("B", diary, 3.0))
    first, second = result.measurements
    for stage in STAGES:
        ratio = result.ratio(second, stage)
        assert (ratio.median, ratio.pairs) == (3.0, 4)
        assert (ratio.interval.low, ratio.interval.high) == (3.0, 3.0)
        assert result.ratio(first, stage) is None
    assert (first.status, first.memory) == ("measured", (100, 150))
    assert first.stages["image_encoder"].first.seconds == (2.0,)
    assert first.stages["end_to_end"].first is None


def test_disturbed_turns_are_kept_but_do_not_count(measure):
    result = measure(Diary("A", [], 1.0), Diary("B", [], 1.0), host=ScriptedHost([0, 2], skipped=6))
    for measurement, disturbed in zip(result.measurements, (0, 1), strict=True):
        times = measurement.stages["image_encoder"]
        assert measurement.status == "measured"
        assert [turn.disturbance is not None for turn in times.turns].index(True) == disturbed
        assert len(times.turns) == 5
        assert times.summary.runs == PLAN.runs
        reason = times.turns[disturbed].disturbance
        assert reason == "other processes used more than 0.1 of a core"
    assert result.ratio(result.measurements[1], "image_encoder").pairs == 3


def test_loaded_machine_gives_no_figures_but_keeps_the_runs(measure):
    result = measure(Diary("A", []), host=ScriptedHost(range(4), skipped=3))
    (measurement,) = result.measurements
    times = measurement.stages["image_encoder"]
    assert measurement.status == "invalid"
    assert measurement.reasons == [
        "image encoder: in 4 of 4 turns other processes used more than 0.1 of a core"
    ]
    assert times.summary is None
    assert sum(len(turn.seconds) for turn in times.turns) == PLAN.runs
    assert measurement.stages["mask_decoder"].summary.runs == PLAN.runs


def test_single_times_say_that_they_were_disturbed(measure):
    (measurement,) = measure(Diary("A", []), host=ScriptedHost(loaded=[0, 2])).measurements
    reason = "other processes used more than 0.1 of a core"
    assert measurement.status == "measured"
    assert measurement.load_disturbance == reason
    assert measurement.stages["image_encoder"].first.disturbance is None
    assert measurement.stages["mask_decoder"].first.disturbance == reason


def test_what_does_not_settle_gives_no_figures(measure):
    diary = []
    (measurement,) = measure(Diary("A", diary, steady=False)).measurements
    assert diary == []
    assert measurement.status == "invalid"
    assert "image encoder: the times had not settled after 10 runs" in measurement.reasons


def test_results_so_far_are_kept_when_one_dies(measure):
    result = measure(Diary("A", []), Diary("B", [], dies_in=6), Diary("C", []))
    first, dead, last = result.measurements
    assert [item.status for item in result.measurements] == ["measured", "failed", "measured"]
    assert dead.reasons == ["mask decoder: the engine crashed (SIGSEGV)"]
    assert dead.stages["image_encoder"].summary.runs == PLAN.runs
    assert len(dead.stages["mask_decoder"].turns) == 1
    assert result.ratio(dead, "mask_decoder") is None
    assert result.ratio(last, "mask_decoder").pairs == 4
    assert first.stages["end_to_end"].summary.runs == PLAN.runs


def test_what_is_missing_is_not_run(measure):
    missing, measured = measure(Diary("A", [], missing="no such chip"), Diary("B", [])).measurements
    assert (missing.status, missing.reasons) == ("not run", ["no such chip"])
    assert measured.status == "measured"


def test_interruption_closes_all(measure):
    class Interrupted(Diary):
        def turn(self, stage, calls):
            raise KeyboardInterrupt

    runners = Diary("A", []), Interrupted("B", [])
    with pytest.raises(KeyboardInterrupt):
        measure(*runners)
    assert all(runner.closed for runner in runners)
