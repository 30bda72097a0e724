"""Renders comparisons as one HTML page. It escapes every name and number, and loads nothing from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment

from validation.comparison.results import CaseResult, Comparison
from validation.documents.verdicts import FAILED, PASSED, VERDICTS
from validation.report.charts import (
    Histogram,
    LossBar,
    histograms,
    loss_bars,
    prompt_in_words,
)
from validation.report.figures import Figures, case_figures
from validation.report.gate_rows import GateRow, gate_rows, has_own_limits
from validation.report.pictures import (
    ARTIFACT_COLOR,
    HEAT_COLORS,
    MISPLACED_COLOR,
    REFERENCE_COLOR,
    PictureStore,
)
from validation.report.provenance import Provenance, provenance
from validation.report.templating import environment, page_sources
from validation.report.verdict import (
    can_ship,
    headline,
    labels_of,
    meaning_of,
    ordered_artifacts,
    ordered_cases,
    reason_of,
    visible_rank,
)

OPEN_CASES = 3  # cases of each artifact that are unfolded, the worst ones; failed cases always are
SMALLEST_LOSS_SCALE = 0.01  # IoU that a full bar stands for at least, so that tiny losses look tiny


@dataclass(frozen=True, eq=False)
class CaseSection:
    """One case, in the form that the page shows.

    Attributes:
        id: id of its element.
        result: the result.
        prompt: the prompt in words.
        figures: pictures of the masks that users see; None if there are none.
        hidden: pictures of the mask that failed, if no user sees it; None otherwise.
        open: whether the case is unfolded.
    """

    id: str
    result: CaseResult
    prompt: str
    figures: Figures | None
    hidden: Figures | None
    open: bool


@dataclass(frozen=True, eq=False)
class ArtifactSection:
    """One artifact, in the form that the page shows."""

    id: str
    label: str
    comparison: Comparison
    reason: str
    has_own_limits: bool
    losses: list[LossBar]
    gates: list[GateRow]
    charts: list[Histogram]
    provenance: Provenance
    cases: list[CaseSection]


@dataclass(frozen=True, eq=False)
class VerdictGroup:
    """All artifacts with one verdict that means the same for each of them."""

    verdict: str
    meaning: str
    sections: list[ArtifactSection]


@dataclass(frozen=True, eq=False)
class WorstCase:
    """The case that the page starts with.

    Attributes:
        section: the artifact.
        case: the case.
        is_lowest: whether no case has a lower IoU of the masks that users see.
    """

    section: ArtifactSection
    case: CaseSection
    is_lowest: bool


def render_page(
    comparisons: Sequence[Comparison],
    command: str | None,
    when: datetime,
    latency_page: str | None = None,
) -> str:
    """The page, as text.

    Args:
        comparisons: at least one, in any order.
        command: the command line that made them.
        when: the time at which the page is made.
        latency_page: file name of the latency page beside it; None if there is none.

    Raises:
        ArtifactError: an artifact's manifest can no longer be read.
    """
    store = PictureStore()
    comparisons = ordered_artifacts(comparisons)
    labels, loss_scale = labels_of(comparisons), _loss_scale(comparisons)
    sections = [
        _section(item, f"artifact-{index}", label, loss_scale, store)
        for index, (item, label) in enumerate(zip(comparisons, labels, strict=True), 1)
    ]
    surroundings = _environment()
    return surroundings.get_template("report.html").render(
        sections=sections,
        headline=headline(comparisons),
        tone=_tone(comparisons),
        groups=_groups(sections),
        worst=_worst_case(sections),
        command=command,
        when=when,
        loss_scale=loss_scale,
        store=store,
        latency_page=latency_page,
        **page_sources(surroundings),
    )


def _environment() -> Environment:
    made = environment()
    made.filters["rgb"] = _rgb
    made.globals.update(
        verdicts=VERDICTS,
        reference_color=REFERENCE_COLOR,
        artifact_color=ARTIFACT_COLOR,
        misplaced_color=MISPLACED_COLOR,
        heat_colors=HEAT_COLORS,
    )
    return made


def _rgb(color: tuple[int, int, int]) -> str:
    return f"rgb({color[0]} {color[1]} {color[2]})"


def _tone(comparisons: Sequence[Comparison]) -> str:
    """The verdict that colors the head; "mixed" if artifacts differ in it, or if one passed but cannot ship."""
    verdict, *others = {item.verdict for item in comparisons}
    is_mixed = others or verdict == PASSED and not all(map(can_ship, comparisons))
    return "mixed" if is_mixed else verdict


def _section(
    comparison: Comparison, id: str, label: str, loss_scale: float, store: PictureStore
) -> ArtifactSection:
    summary = comparison.summary
    return ArtifactSection(
        id,
        label,
        comparison,
        reason_of(comparison),
        has_own_limits(comparison),
        loss_bars(summary.stage_losses, loss_scale) if summary else [],
        gate_rows(comparison),
        histograms(comparison),
        provenance(comparison.artifact),
        [_case(case, id, place, store) for place, case in enumerate(ordered_cases(comparison))],
    )


def _case(case: CaseResult, section: str, place: int, store: PictureStore) -> CaseSection:
    is_open = case.status == FAILED or (place < OPEN_CASES and case.status == PASSED)
    return CaseSection(
        f"{section}-case-{place + 1}",
        case,
        prompt_in_words(case.case),
        case_figures(case, case.pictures, store) if case.pictures else None,
        case_figures(case, case.hidden_pictures, store, f"mask {case.hidden_mask}")
        if case.hidden_pictures
        else None,
        is_open,
    )


def _groups(sections: Sequence[ArtifactSection]) -> list[VerdictGroup]:
    """The verdicts and what they mean, in the order of the sections."""
    groups: dict[tuple[str, str], VerdictGroup] = {}
    for section in sections:
        key = section.comparison.verdict, meaning_of(section.comparison)
        groups.setdefault(key, VerdictGroup(*key, [])).sections.append(section)
    return list(groups.values())


def _worst_case(sections: Sequence[ArtifactSection]) -> WorstCase | None:
    """The case whose pictures look worst; None if no case has pictures."""
    shown = [(section, case) for section in sections for case in section.cases if case.figures]
    if not shown:
        return None
    section, case = min(shown, key=lambda pair: visible_rank(pair[1].result))
    lowest = min(other.result.agreement.shown_iou for _, other in shown)
    return WorstCase(section, case, case.result.agreement.shown_iou == lowest)


def _loss_scale(comparisons: Sequence[Comparison]) -> float:
    """The IoU loss that fills a bar, the same for the stages of all artifacts."""
    losses = [item.summary.stage_losses.values() for item in comparisons if item.summary]
    return max([SMALLEST_LOSS_SCALE, *(loss for values in losses for loss in values if loss)])
