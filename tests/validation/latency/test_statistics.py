"""Percentiles, intervals and ratios of timings with known results."""

import numpy as np
import pytest

from validation.latency.statistics import (
    Interval,
    Ratio,
    median_interval,
    paired_ratio,
    ratio_of_launches,
    summarize,
)


def test_figures_of_known_runs():
    turns = [[float(value) for value in range(start, 101, 4)] for start in (1, 2, 3, 4)]
    summary = summarize(turns)  # 1 … 100, mixed
    assert (summary.runs, summary.min, summary.median, summary.mean) == (100, 1.0, 50.5, 50.5)
    assert summary.p90 == pytest.approx(90.1)  # linear between the 90th and the 91st
    assert summary.p99 == pytest.approx(99.01)


def test_equal_runs_leave_no_doubt():
    interval = summarize([[0.5] * 5] * 10).median_interval
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_interval_covers_the_true_median_as_often_as_it_says():
    generator = np.random.default_rng(7)
    true_median, covered, experiments = 1.0, 0, 60
    for _ in range(experiments):
        turns = true_median + generator.standard_normal((20, 5))
        interval = median_interval(turns.tolist())
        covered += interval.low <= true_median <= interval.high
    assert 0.85 * experiments <= covered < experiments


def test_interval_is_narrower_with_more_turns():
    generator = np.random.default_rng(7)
    widths = []
    for count in (10, 160):
        interval = median_interval(generator.standard_normal((count, 5)).tolist())
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0] / 2


def test_runs_of_a_turn_are_not_taken_for_independent():
    generator = np.random.default_rng(7)
    levels = generator.standard_normal(20)
    alike = [[level] * 50 for level in levels]
    single = [[level] for level in levels]
    wide, expected = median_interval(alike), median_interval(single)
    assert wide.high - wide.low == pytest.approx(expected.high - expected.low, rel=0.3)


def test_same_timings_give_the_same_interval():
    turns = np.random.default_rng(7).random((10, 5)).tolist()
    assert median_interval(turns) == median_interval(turns)


def test_ratio_survives_noise_that_hits_both_alike():
    slowdowns = [1.0, 3.0, 1.5, 8.0, 1.0, 2.0]
    pairs = [([2.0 * s, 2.2 * s, 2.0 * s], [1.0 * s, 1.0 * s, 1.1 * s]) for s in slowdowns]
    ratio = paired_ratio(pairs)
    assert (ratio.median, ratio.pairs) == (pytest.approx(2.0), 6)
    assert ratio.interval.low == pytest.approx(2.0)
    assert ratio.interval.high == pytest.approx(2.0)


def test_ratio_of_launches_is_as_unsure_as_they_differ():
    launches = [Ratio(median, Interval(median, median), 5) for median in (2.0, 1.8, 2.6)]
    assert ratio_of_launches(launches) == Ratio(2.0, Interval(1.8, 2.6), 15)
