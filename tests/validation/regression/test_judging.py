"""Latencies are judged only by their raw samples."""

import random

import pytest

from validation.documents.verdicts import FAILED, NOT_RUN, PASSED
from validation.latency.results import INVALID, Measurement, StageTimes, Turn
from validation.latency.running.plan import IMAGE_ENCODER, STAGES, Plan
from validation.latency.running.session import WarmUp
from validation.latency.statistics import Interval
from validation.regression.figures import FIGURES
from validation.regression.judging import BETTER, judge_figure
from validation.regression.latency import LAUNCHES, Launch, Problem, ratios

PLAN = Plan("test", runs=25, seconds=0.0)
ENCODER = FIGURES["latency.image_encoder"]
LIMIT, UNCERTAINTY = 0.15, 0.15


def measurement(seconds, disturbances=(None,) * 5, steady=True) -> Measurement:
    """Return a measurement with the same turns in every stage."""
    result = Measurement(artifact=None)
    for stage in STAGES:
        turns = [Turn(tuple(runs), why) for runs, why in zip(seconds, disturbances, strict=True)]
        result.stages[stage] = StageTimes(PLAN, None, WarmUp((1.0,), steady), turns)
    return result


def turns(factors, seed=0, jitter=0.02):
    """Return turns of five runs each, whose times are around the factors."""
    generator = random.Random(seed)
    return [
        [factor * (1 + generator.uniform(-jitter, jitter)) for _ in range(5)] for factor in factors
    ]


CALIBRATION = turns([0.1] * 5)


def alike(measured, calibration) -> list[Launch]:
    """Return launches that are all alike."""
    return [Launch(measured, calibration)] * LAUNCHES


def judged(launches, baseline=2.0):
    ratio = ratios(launches)[IMAGE_ENCODER]
    return judge_figure(ENCODER, baseline, ratio.median, LIMIT, ratio.interval, UNCERTAINTY)


def judged_alike(seconds, calibration=CALIBRATION):
    return judged(alike(measurement(seconds), measurement(calibration)))


def judged_apart(factors):
    """Judge launches that each have their own ratio to the baseline."""
    return judged(
        [
            Launch(measurement(turns([0.2 * factor] * 5, seed=1)), measurement(CALIBRATION))
            for factor in factors
        ]
    )


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.2, PASSED), (0.22, PASSED), (0.26, FAILED), (0.15, BETTER)]
)
def test_ratio_and_limit(factor, verdict):
    assert judged_alike(turns([factor] * 5, seed=1)).verdict == verdict


def test_what_slows_the_machine_down_slows_both():
    drift = [1.0, 1.5, 3.0, 2.0, 1.2]
    seconds = turns([0.2 * slow for slow in drift], seed=1)
    line = judged_alike(seconds, turns([0.1 * slow for slow in drift]))
    assert line.verdict == PASSED
    assert abs(line.change) < 0.05


def test_one_slow_turn_is_an_outlier():
    line = judged_alike(turns([0.2, 0.2, 0.9, 0.2, 0.2], seed=1, jitter=0.01))
    assert line.verdict == PASSED


@pytest.mark.parametrize(
    ("factors", "verdict", "reason"),
    [
        ((0.98, 1.0, 1.05), PASSED, None),
        ((1.02, 1.1, 1.3), PASSED, None),  # one slow process is no regression
        ((1.05, 1.2, 1.25), INVALID, "± 8%: measure again"),  # nor are two
        ((1.2, 1.25, 1.35), FAILED, None),
        ((0.7, 0.75, 0.8), BETTER, None),
        ((0.7, 0.75, 0.9), PASSED, None),
        ((0.5, 0.7, 1.1), INVALID, "± 43%: measure again"),
        ((0.7, 1.0, 1.6), INVALID, "± 45%: measure again"),
        ((2.0, 4.0, 8.0), FAILED, "± 75%, but the whole interval is beyond the limit"),
    ],
)
def test_processes_that_differ_fail_only_if_all_are_slow(factors, verdict, reason):
    line = judged_apart(factors)
    assert line.verdict == verdict
    if reason is None:
        assert line.reason is None
    else:
        assert reason in line.reason


def test_a_launch_without_a_ratio_is_done_without():
    disturbed = measurement(CALIBRATION, ["busy"] * 5)
    good = Launch(measurement(turns([0.2] * 5, seed=1)), measurement(CALIBRATION))
    bad = Launch(disturbed, measurement(CALIBRATION))
    assert ratios([good, bad, good])[IMAGE_ENCODER].pairs == 10
    assert ratios([good, bad, bad])[IMAGE_ENCODER].verdict == INVALID


def test_uncertainty_is_half_the_interval():
    inside, outside = Interval(1.8, 2.2), Interval(1.5, 2.5)
    assert judge_figure(ENCODER, 2.0, 2.0, LIMIT, inside, UNCERTAINTY).verdict == PASSED
    assert judge_figure(ENCODER, 2.0, 2.0, LIMIT, outside, UNCERTAINTY).verdict == INVALID


@pytest.mark.parametrize("disturbed", ["artifact", "calibration"])
def test_disturbed_turns_give_no_ratio(disturbed):
    busy = ["other processes used more than 0.1 of a core"] * 5
    seconds = turns([0.2] * 5, seed=1)
    if disturbed == "artifact":
        pair = measurement(seconds, busy), measurement(CALIBRATION)
    else:
        pair = measurement(seconds), measurement(CALIBRATION, busy)
    for ratio in ratios(alike(*pair)).values():
        assert ratio.verdict == INVALID
        assert "other processes used more than 0.1 of a core" in ratio.reason


def test_disturbed_turns_are_left_out_of_pairs():
    """Turns with the same number form a pair. If one is disturbed, neither counts."""
    seconds = turns([0.2] * 5 + [9.0], seed=1)
    calibration = turns([0.1] * 6)
    busy = (*(None,) * 5, "busy")
    pair = measurement(seconds, busy), measurement(calibration, (None,) * 6)
    ratio = ratios(alike(*pair))
    assert ratio[IMAGE_ENCODER].pairs == 5 * LAUNCHES
    assert ratio[IMAGE_ENCODER].median == pytest.approx(2.0, rel=0.05)


def test_times_that_did_not_settle():
    ratio = ratios(alike(measurement(CALIBRATION, steady=False), measurement(CALIBRATION)))
    assert ratio[IMAGE_ENCODER] == Problem(INVALID, "the times had not settled after 1 runs")


@pytest.mark.parametrize(
    ("change", "verdict"),
    [({"failure": "crashed"}, FAILED), ({"missing": "no engine"}, NOT_RUN)],
)
def test_what_was_not_run(change, verdict):
    measured = Measurement(artifact=None, **change)
    (reason,) = change.values()
    expected = dict.fromkeys(STAGES, Problem(verdict, reason))
    assert ratios([Launch(measured, measurement(CALIBRATION))]) == expected


def test_calibration_that_fails_is_no_fault_of_the_artifact():
    calibration = Measurement(artifact=None, failure="ran out of memory")
    ratio = ratios([Launch(measurement(CALIBRATION), calibration)])
    assert ratio[IMAGE_ENCODER] == Problem(INVALID, "ran out of memory")


@pytest.mark.parametrize(
    ("name", "baseline", "now", "limit", "verdict"),
    [
        ("masks.mean_iou", 0.99, 0.985, 0.005, PASSED),
        ("masks.mean_iou", 0.99, 0.984, 0.005, FAILED),
        ("masks.mean_iou", 0.99, 0.996, 0.005, BETTER),
        ("masks.cases_held", 7, 6, 0, FAILED),
        ("masks.score_difference", 0.01, 0.04, 0.02, FAILED),
        ("masks.logits_sqnr", 40, 37, 3, PASSED),
        ("size.image_encoder", 1000, 1011, 0.01, FAILED),
        ("cost.mask_decoder.multiply_adds", 1000, 1001, 0, FAILED),
        ("cost.mask_decoder.multiply_adds", 1000, 999, 0, BETTER),
        ("cost.mask_decoder.operations", 0, 5, 0.01, FAILED),
        ("memory.added", 2.0, 9.0, 0.15, PASSED),  # 14 % of 50 MB
        ("memory.added", 2.0, 10.0, 0.15, FAILED),
    ],
)
def test_figures(name, baseline, now, limit, verdict):
    assert judge_figure(FIGURES[name], baseline, now, limit).verdict == verdict
