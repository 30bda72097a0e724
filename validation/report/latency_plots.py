"""Where the marks of the latency page's plots are, in shares of the plot's width and height."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation.latency.recorded import (
    RecordedArtifact,
    RecordedStage,
    RecordedStretch,
    RecordedTarget,
)

BINS = 32
MOST_TICKS = 5
# Runs longer than this many medians, and than the 99th percentile, are counted beside the plot: one that is
# ten times as long would press all others into one bar.
LONGEST_DRAWN = 1.5


@dataclass(frozen=True)
class Tick:
    """A labeled place on an axis: its share of the axis, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Distribution:
    """Run times of one stage.

    Attributes:
        heights: of BINS bars, in shares of the highest.
        counts: of the same bars.
        ticks: milliseconds.
        marks: median, p90 and p99, by name; empty if the stage is invalid.
        beyond: how many runs are longer than the axis.
        longest: seconds at the axis' end.
    """

    heights: tuple[float, ...]
    counts: tuple[int, ...]
    ticks: tuple[Tick, ...]
    marks: dict[str, float]
    beyond: int
    longest: float


@dataclass(frozen=True)
class StageBar:
    """A stage's median as a bar: the full width is the slowest artifact's."""

    artifact: str
    stage: RecordedStage
    share: float


@dataclass(frozen=True)
class Band:
    """A stretch of the memory plot.

    Attributes:
        stage: what ran.
        left: where it begins.
        right: where it ends.
        seconds: how long it took.
        highest: bytes.
    """

    stage: str
    left: float
    right: float
    seconds: float
    highest: int


@dataclass(frozen=True)
class MemoryPlot:
    """Memory over time.

    Attributes:
        points: (x, y) of every sample, y upwards from 0.
        bands: stage by stage.
        libraries: height of what the libraries alone take.
        seconds: ticks of the horizontal axis.
        megabytes: ticks of the vertical one.
    """

    points: tuple[tuple[float, float], ...]
    bands: tuple[Band, ...]
    libraries: float
    seconds: tuple[Tick, ...]
    megabytes: tuple[Tick, ...]


def distribution(stage: RecordedStage) -> Distribution | None:
    """Of the runs that count; None if there are none."""
    if not stage.seconds:
        return None
    runs = np.array(stage.seconds)
    shortest, longest = float(runs.min()), float(runs.max())
    end = min(longest, max(float(np.quantile(runs, 0.99)), LONGEST_DRAWN * float(np.median(runs))))
    end = end if end > shortest else shortest * 1.01 or 1.0  # all alike: one bar
    counts = np.histogram(runs[runs <= end], BINS, (shortest, end))[0]
    summary = stage.summary
    marks = (
        {}
        if summary is None
        else {name: getattr(summary, name) for name in ("median", "p90", "p99")}
    )
    return Distribution(
        heights=tuple((counts / counts.max()).tolist()),
        counts=tuple(counts.tolist()),
        ticks=ticks(1000 * shortest, 1000 * end),
        marks={
            name: (value - shortest) / (end - shortest)
            for name, value in marks.items()
            if shortest <= value <= end
        },
        beyond=int(np.count_nonzero(runs > end)),
        longest=end,
    )


def stage_bars(target: RecordedTarget) -> dict[str, list[StageBar]]:
    """Stage → a bar per artifact that has one, in their order."""
    names = dict.fromkeys(stage.name for item in target.artifacts for stage in item.stages)
    return {name: _bars(target, name) for name in names}


def _bars(target: RecordedTarget, name: str) -> list[StageBar]:
    pairs = [
        (item.name, stage)
        for item in target.artifacts
        for stage in item.stages
        if stage.name == name
    ]
    slowest = max((stage.summary.median for _, stage in pairs if stage.summary), default=0.0) or 1.0
    return [
        StageBar(artifact, stage, stage.summary.median / slowest if stage.summary else 0.0)
        for artifact, stage in pairs
    ]


def memory_plot(artifact: RecordedArtifact, top: int) -> MemoryPlot | None:
    """Memory over time, ``top`` bytes being the full height; None if there are no samples."""
    memory = artifact.memory
    if memory is None or not memory.timeline:
        return None
    end = memory.timeline[-1].seconds[-1] or 1.0
    samples = [
        (seconds, size)
        for stretch in memory.timeline
        for seconds, size in zip(stretch.seconds, stretch.bytes, strict=True)
    ]
    return MemoryPlot(
        points=tuple((seconds / end, size / top) for seconds, size in samples),
        bands=tuple(_band(stretch, end) for stretch in memory.timeline),
        libraries=memory.libraries / top,
        seconds=ticks(0.0, end),
        megabytes=ticks(0.0, top / 1e6),
    )


def highest_memory(target: RecordedTarget) -> int:
    """Bytes at the top of a target's memory plots, which have one scale."""
    sizes = [
        size
        for item in target.artifacts
        if item.memory
        for size in (item.memory.peak, *(max(part.bytes) for part in item.memory.timeline))
    ]
    return max(sizes, default=1) or 1


def _band(stretch: RecordedStretch, end: float) -> Band:
    first, last = stretch.seconds[0], stretch.seconds[-1]
    return Band(stretch.stage, first / end, last / end, last - first, max(stretch.bytes))


def ticks(low: float, high: float, most: int = MOST_TICKS) -> tuple[Tick, ...]:
    """Round numbers in ``low``…``high``, at most ``most`` and a step of 1, 2 or 5 times a power of ten."""
    span = high - low
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return tuple(Tick((n * step - low) / span, f"{n * step:,.{digits}f}") for n in numbers)


def polyline(points: Sequence[tuple[float, float]], width: float, height: float) -> str:
    """Points of shares as an SVG's, y downwards."""
    return " ".join(f"{x * width:.1f},{(1 - y) * height:.1f}" for x, y in points)
