"""Warm-ups of the launches that are measured, with processes that only count runs."""

from collections import Counter

import pytest

from tests.support.observations import stage_times
from validation.artifacts.artifact import load_artifact
from validation.latency.running.plan import STAGES
from validation.latency.running.session import Run, Session, WarmUp
from validation.regression import latency
from validation.regression.latency import LATER_WARM_UP, measure_latency


@pytest.fixture
def warm_ups(monkeypatch, tiny_artifact):
    """Measure with processes whose times settle or not, and return the kinds of warm-up of each launch, counted."""

    def measure(steady: bool) -> list[Counter]:
        launches: list[Counter] = []

        def first(self, stage):
            launches[-1][stage] += 1
            return Run((1.0,), 1.0)

        def warm_up(self, stage):
            launches[-1]["until settled"] += 1
            return WarmUp((1.0,) * 10, steady)

        def measure_side_by_side(subjects, *_):
            launches.append(Counter())
            for subject in subjects:
                for stage in STAGES:
                    times = subject.measurement.stages[stage] = stage_times(1.0)
                    times.warm_up = subject.runner.warm_up(stage)

        monkeypatch.setattr(Session, "__init__", lambda *_: None)
        monkeypatch.setattr(Session, "first", first)
        monkeypatch.setattr(Session, "warm_up", warm_up)
        monkeypatch.setattr(latency, "measure_side_by_side", measure_side_by_side)
        measure_latency(load_artifact(tiny_artifact))
        return launches

    return measure


def test_later_launches_warm_up_briefly_after_a_launch_whose_times_settled(warm_ups):
    first, *later = warm_ups(steady=True)
    assert first == {"until settled": 4, "end_to_end": 2}
    brief = {"image_encoder": 2 * LATER_WARM_UP, "mask_decoder": 2 * LATER_WARM_UP, "end_to_end": 2}
    assert later == [brief, brief]


def test_every_launch_warms_up_in_full_if_times_do_not_settle(warm_ups):
    launches = warm_ups(steady=False)
    assert launches == [{"until settled": 4, "end_to_end": 2}] * 3
