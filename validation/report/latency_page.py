"""Renders results of ``validate latency`` as one HTML page, in the style of the report."""

from collections import Counter
from dataclasses import dataclass

from validation.documents.verdicts import FAILED, NOT_RUN
from validation.latency.recorded import (
    RecordedArtifact,
    RecordedLatency,
    RecordedStage,
    RecordedTarget,
)
from validation.latency.results import INVALID, MEASURED
from validation.report.formatting import count
from validation.report.latency_plots import (
    Distribution,
    MemoryPlot,
    StageBar,
    distribution,
    highest_memory,
    memory_plot,
    stage_bars,
)
from validation.report.templating import environment, page_sources


@dataclass(frozen=True)
class ArtifactPart:
    """One artifact on one target, in the form that the page shows."""

    artifact: RecordedArtifact
    distributions: list[tuple[RecordedStage, Distribution]]
    memory: MemoryPlot | None


@dataclass(frozen=True)
class TargetSection:
    """One target, in the form that the page shows."""

    target: RecordedTarget
    bars: dict[str, list[StageBar]]
    artifacts: list[ArtifactPart]


def render_latency(latency: RecordedLatency, command: str | None, report_page: str | None) -> str:
    """The page, as text.

    Args:
        latency: the results.
        command: the command line that made the page.
        report_page: file name of the comparison page beside it; None if there is none.
    """
    surroundings = environment()
    surroundings.filters["ms"] = _milliseconds
    return surroundings.get_template("latency.html").render(
        latency=latency,
        sections=[_section(target) for target in latency.targets],
        summary=summary_of(latency),
        untrained=not all(item.trained for target in latency.targets for item in target.artifacts),
        command=command,
        report_page=report_page,
        **page_sources(surroundings),
    )


def summary_of(latency: RecordedLatency) -> str:
    """Say how many measurements gave figures, and why the others did not."""
    statuses = Counter(item.status for target in latency.targets for item in target.artifacts)
    total = sum(statuses.values())
    targets = count(len(latency.targets), "target")
    parts = [f"{statuses[MEASURED]} of {count(total, 'measurement')} on {targets} gave figures"]
    words = {INVALID: "invalid", NOT_RUN: "not run", FAILED: "failed"}
    parts += [f"{statuses[status]} {word}" for status, word in words.items() if statuses[status]]
    return ", ".join(parts) + "."


def _section(target: RecordedTarget) -> TargetSection:
    top = highest_memory(target)
    return TargetSection(
        target, stage_bars(target), [_part(item, top) for item in target.artifacts]
    )


def _part(item: RecordedArtifact, top: int) -> ArtifactPart:
    plots = [(stage, distribution(stage)) for stage in item.stages]
    return ArtifactPart(
        item,
        [(stage, plot) for stage, plot in plots if plot is not None],
        memory_plot(item, top),
    )


def _milliseconds(seconds: float) -> str:
    """Seconds in milliseconds, with fewer digits the larger they are; the page writes the unit beside."""
    value = 1000 * seconds
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"
