"""Comparisons → one HTML page. Whatever is not its own is escaped, and nothing is fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from jinja2 import Environment

from validation.comparison.conclusion import overall_verdict
from validation.comparison.results import CasePictures, CaseResult, Comparison
from validation.documents.verdicts import FAILED, PASSED, VERDICTS
from validation.report.charts import Histogram, histograms
from validation.report.gate_rows import GateRow, gate_rows
from validation.report.pictures import (
    ARTIFACT_COLOR,
    HEAT_COLORS,
    MISPLACED_COLOR,
    REFERENCE_COLOR,
    Picture,
    PictureStore,
)
from validation.report.provenance import Provenance, provenance
from validation.report.templating import environment, page_sources
from validation.report.verdict import ordered_cases, reason_of

OPEN_CASES = 3  # the worst, beside all that failed
SMALLEST_LOSS_SCALE = (
    0.01  # IoU of a full bar at least: a loss of next to nothing shall look like it
)


@dataclass(frozen=True)
class Figures:
    """Pictures of a case in the page's store, and the numbers that go with them.

    Attributes:
        photo: what the others are shown on.
        reference_mask: translucent.
        artifact_mask: translucent.
        disagreement: pixels that only one of the masks has.
        only_reference: share of the photo that only the reference's mask has.
        only_artifact: likewise, the artifact's.
        heat_map: logit differences.
        heat_top: logits at the end of the scale.
        heat_most: logits below which 95 % of the pixels are.
        not_finite: how many pixels of the heat map are not finite.
    """

    photo: Picture
    reference_mask: Picture
    artifact_mask: Picture
    disagreement: Picture
    only_reference: float
    only_artifact: float
    heat_map: Picture
    heat_top: float
    heat_most: float
    not_finite: int


@dataclass(frozen=True, eq=False)
class CaseSection:
    """One case as it is shown."""

    result: CaseResult
    figures: Figures | None
    open: bool


@dataclass(frozen=True, eq=False)
class ArtifactSection:
    """One artifact as it is shown."""

    id: str
    comparison: Comparison
    gates: list[GateRow]
    charts: list[Histogram]
    provenance: Provenance
    cases: list[CaseSection]


def render_page(
    comparisons: Sequence[Comparison],
    command: str,
    when: datetime,
    latency_page: str | None = None,
) -> str:
    """The page, as text.

    Args:
        comparisons: at least one.
        command: the command line that made them.
        when: it was made.
        latency_page: the file of the latency's page beside it, if there is one.

    Raises:
        ArtifactError: an artifact's manifest can no longer be read.
    """
    store = PictureStore()
    sections = [_section(item, index, store) for index, item in enumerate(comparisons, 1)]
    surroundings = _environment()
    return surroundings.get_template("report.html").render(
        sections=sections,
        verdict=overall_verdict(comparisons),
        reason=reason_of(comparisons),
        command=command,
        when=when,
        loss_scale=_loss_scale(comparisons),
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


def _section(comparison: Comparison, index: int, store: PictureStore) -> ArtifactSection:
    cases = ordered_cases(comparison)
    return ArtifactSection(
        f"artifact-{index}",
        comparison,
        gate_rows(comparison),
        histograms(comparison),
        provenance(comparison.artifact),
        [_case(case, place, store) for place, case in enumerate(cases)],
    )


def _case(case: CaseResult, place: int, store: PictureStore) -> CaseSection:
    figures = _figures(case.pictures, store) if case.pictures else None
    is_open = case.status == FAILED or (place < OPEN_CASES and case.status == PASSED)
    return CaseSection(case, figures, is_open)


def _figures(pictures: CasePictures, store: PictureStore) -> Figures:
    reference, artifact = pictures.reference_mask, pictures.artifact_mask
    difference = pictures.logit_difference
    finite = difference[np.isfinite(difference)]
    top = float(finite.max(initial=0))
    return Figures(
        photo=store.add_photo(pictures.photo),
        reference_mask=store.add_mask(reference, REFERENCE_COLOR),
        artifact_mask=store.add_mask(artifact, ARTIFACT_COLOR),
        disagreement=store.add_disagreement(reference, artifact),
        only_reference=float(np.mean(reference & ~artifact)),
        only_artifact=float(np.mean(artifact & ~reference)),
        heat_map=store.add_heat_map(difference, top),
        heat_top=top,
        heat_most=float(np.percentile(finite, 95)) if finite.size else 0.0,
        not_finite=difference.size - finite.size,
    )


def _loss_scale(comparisons: Sequence[Comparison]) -> float:
    """IoU that a full bar of the stages' losses stands for, the same for all artifacts."""
    losses = [item.summary.stage_losses.values() for item in comparisons if item.summary]
    return max([SMALLEST_LOSS_SCALE, *(loss for values in losses for loss in values if loss)])
