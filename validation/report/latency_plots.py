"""Computes where the plots of the latency page are drawn. Templates only print them.

Positions are shares of a plot's width and height; ``x`` and ``y`` of a plot turn them into units of its drawing.
"""

import math
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
# Runs that are longer than this many medians, and than the 99th percentile, are counted beside the plot. One run
# of ten times the median would press all others into one bar.
LONGEST_DRAWN = 1.5
SHORTEST_BAR = 1.5  # units of the drawing, so that a bar of a single run is seen
NARROWEST_NAMED = 0.12  # share of the memory plot's width that a band needs for its name


@dataclass(frozen=True)
class Tick:
    """A labeled place on an axis: its share of the axis, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A bar of a distribution, in units of the drawing, and the number of runs that it counts."""

    left: float
    top: float
    width: float
    height: float
    count: int


@dataclass(frozen=True)
class Distribution:
    """Run times of one stage.

    Attributes:
        heights: heights of BINS bars, in shares of the highest.
        counts: numbers of runs in the same bars.
        ticks: ticks of the axis, milliseconds.
        marks: median, p90 and p99, by name; empty if the stage is invalid.
        beyond: number of runs that are longer than the axis.
        longest: seconds at the end of the axis.
    """

    width = 380
    base = 112  # y of the axis
    tallest = 92  # height of the tallest bar
    tick_end = base + 4
    tick_label = base + 17
    unit_label = base + 31
    view_box = f"-14 0 {width + 28} 146"

    heights: tuple[float, ...]
    counts: tuple[int, ...]
    ticks: tuple[Tick, ...]
    marks: dict[str, float]
    beyond: int
    longest: float

    @property
    def bars(self) -> list[Bar]:
        """The bars that count any run."""
        step = self.width / len(self.heights)
        return [self._bar(index, step) for index, count in enumerate(self.counts) if count]

    def x(self, share: float) -> float:
        """A share of the axis in units of the drawing."""
        return round(share * self.width, 1)

    def _bar(self, index: int, step: float) -> Bar:
        height = max(self.heights[index] * self.tallest, SHORTEST_BAR)
        return Bar(
            left=round(index * step, 2),
            top=round(self.base - height, 2),
            width=round(step - 1, 2),
            height=round(height, 2),
            count=self.counts[index],
        )


@dataclass(frozen=True)
class StageBar:
    """The median of a stage as a bar; the bar of the slowest artifact has a share of 1."""

    artifact: str
    stage: RecordedStage
    share: float

    @property
    def filled(self) -> float:
        """The filled share of the bar, in percent."""
        return round(100 * self.share, 2)


@dataclass(frozen=True)
class Band:
    """A stretch of the memory plot.

    Attributes:
        stage: the stage that ran.
        left: share of the time axis at which the band begins.
        right: share of the time axis at which the band ends.
        seconds: duration of the band in seconds.
        highest: most memory in use meanwhile, bytes.
    """

    stage: str
    left: float
    right: float
    seconds: float
    highest: int

    @property
    def width(self) -> float:
        """Share of the time axis that the band takes."""
        return self.right - self.left

    @property
    def middle(self) -> float:
        """Position of the middle of the band, as a share of the time axis."""
        return (self.left + self.right) / 2

    @property
    def has_room(self) -> bool:
        """Whether the name of the stage fits into the band."""
        return self.width > NARROWEST_NAMED


@dataclass(frozen=True)
class MemoryPlot:
    """Memory over time.

    Attributes:
        points: (x, y) of every sample, with y upward from 0.
        bands: one for each stage, in order of time.
        libraries: height of the memory that the libraries alone take.
        seconds: ticks of the horizontal axis.
        megabytes: ticks of the vertical axis.
    """

    width = 760
    base = 170  # y of the time axis
    height = 144  # height of the highest memory
    tick_end = base + 4
    tick_label = base + 17
    unit_label = base + 32
    view_box = f"-48 0 {width + 62} 206"

    points: tuple[tuple[float, float], ...]
    bands: tuple[Band, ...]
    libraries: float
    seconds: tuple[Tick, ...]
    megabytes: tuple[Tick, ...]

    @property
    def line(self) -> str:
        """The samples as the points of an SVG polyline."""
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in self.points)

    def x(self, share: float) -> float:
        """A share of the time axis in units of the drawing."""
        return round(share * self.width, 1)

    def y(self, share: float) -> float:
        """A share of the height, upward, in units of the drawing, downward."""
        return round(self.base - share * self.height, 1)


def distribution(stage: RecordedStage) -> Distribution | None:
    """The distribution of the runs that count; None if no run counts."""
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
    """Stage → one bar for each artifact that has the stage, in the order of the artifacts."""
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
    """Memory over time, with ``top`` bytes as the full height; None if there are no samples."""
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
    """Bytes at the top of the memory plots of a target, which all have the same scale."""
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
