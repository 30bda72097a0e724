"""Statistics of timings: percentiles, and an interval for the median."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.95
_SEED = 0  # fixed, so that the same timings give the same interval

Timings = Sequence[Sequence[float]]  # turn → seconds of each run


@dataclass(frozen=True)
class Interval:
    """The interval of a median: a bootstrap interval of ``CONFIDENCE``, or the range of a few launches."""

    low: float
    high: float


@dataclass(frozen=True)
class TimingSummary:
    """Figures of ``runs`` runs in seconds. Percentiles are interpolated linearly between runs."""

    runs: int
    min: float
    median: float
    median_interval: Interval
    p90: float
    p99: float
    mean: float


@dataclass(frozen=True)
class Ratio:
    """The ratio of an artifact's times to another's.

    Attributes:
        median: the median over the pairs of turns, or over launches.
        interval: the interval of that median.
        pairs: the number of pairs of turns.
    """

    median: float
    interval: Interval
    pairs: int


def summarize(turns: Timings) -> TimingSummary:
    """Compute the figures of turns. There must be at least one turn with at least one run."""
    runs = np.concatenate([np.asarray(turn, np.float64) for turn in turns])
    median, p90, p99 = map(float, np.quantile(runs, (0.5, 0.9, 0.99)))
    return TimingSummary(
        runs=len(runs),
        min=float(runs.min()),
        median=median,
        median_interval=median_interval(turns),
        p90=p90,
        p99=p99,
        mean=float(runs.mean()),
    )


def paired_ratio(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Ratio:
    """Compare the medians of the two turns of each pair: how much longer does the first take?"""
    ratios = [[float(np.median(turn) / np.median(other))] for turn, other in pairs]
    return Ratio(float(np.median(ratios)), median_interval(ratios), len(ratios))


def ratio_of_launches(launches: Sequence[Ratio]) -> Ratio:
    """Combine the ratios that a few launches gave for the same two artifacts: their median and range.

    Each launch counts once, whatever its number of turns, because launches differ from each other by
    more than the turns of one launch do.
    Source: Kalibera and Jones, Rigorous Benchmarking in Reasonable Time (2013).
    """
    medians = [launch.median for launch in launches]
    interval = Interval(min(medians), max(medians))
    return Ratio(float(np.median(medians)), interval, sum(launch.pairs for launch in launches))


def median_interval(turns: Timings) -> Interval:
    """Compute a percentile bootstrap interval of the median over all runs.

    Whole turns are drawn instead of single runs. The runs of a turn resemble each other, so drawing
    them one by one would make the interval too narrow. Source: Davison and Hinkley, Bootstrap Methods
    and their Application, section 3.8 (cluster resampling).
    """
    return _bootstrap(turns, lambda drawn: float(np.median(np.concatenate(drawn))))


def _bootstrap(turns: Timings, statistic: Callable[[list[np.ndarray]], float]) -> Interval:
    arrays = [np.asarray(turn, np.float64) for turn in turns]
    generator = np.random.default_rng(_SEED)
    draws = generator.integers(len(arrays), size=(RESAMPLES, len(arrays)))
    values = [statistic([arrays[index] for index in draw]) for draw in draws]
    tail = (1 - CONFIDENCE) / 2
    return Interval(*map(float, np.quantile(values, (tail, 1 - tail))))
