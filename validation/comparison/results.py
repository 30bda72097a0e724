"""What a comparison found, as data and as a JSON document."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converters.samples import SampleCase
from reference.common.folders import size_of
from validation.artifacts.artifact import Artifact
from validation.comparison.agreement import Agreement, StageLoss
from validation.comparison.proof import Evidence, unproven
from validation.engines import Unavailable
from validation.gates import Gates
from validation.questions.cases import is_ambiguous
from validation.questions.pipeline import STAGES

if TYPE_CHECKING:
    from validation.inspection.drift import Drift

RESULTS_SCHEMA = "mobile-sam-export/comparison/3"

# Of a case, and of a whole comparison. NOT_PROVEN: it agrees with a reference whose answer proves nothing.
PASSED, FAILED, NOT_PROVEN, NOT_RUN = "passed", "failed", "not proven", "not run"


@dataclass(frozen=True, eq=False)
class CasePictures:
    """What a report shows of a case, no larger than a screen.

    Attributes:
        photo: uint8 (h, w, 3) RGB; cases about one photo share it.
        reference_mask: what a user of the reference is shown, boolean (h, w).
        artifact_mask: what a user of the artefact is shown, boolean (h, w).
        logit_difference: absolute, of the mask that the reference shows, float32 (h', w'), the
            photo's part of the frame.
    """

    photo: np.ndarray
    reference_mask: np.ndarray
    artifact_mask: np.ndarray
    logit_difference: np.ndarray


@dataclass(frozen=True, eq=False)
class CaseResult:
    """One prompt about one photo.

    Attributes:
        case: the prompt.
        photo: a built-in photo's name, or the path of a user's.
        photo_size: (height, width); None if it did not run.
        kind: "golden" (reference answers stored in the artefact) or "photo" (computed now).
        status: PASSED, FAILED, NOT_PROVEN or NOT_RUN.
        agreement: None if it did not run.
        evidence: what the reference's answer can prove; None if it did not run.
        stages: what each stage lost, in order; empty if it did not run.
        reasons: why it failed, proves nothing, or did not run; empty if it passed.
        blamed: the stage that a failure comes from, one of STAGES; None if it passed, or no stage is
            to blame by itself.
        pictures: None if they were not asked for, or it did not run.
    """

    case: SampleCase
    photo: str
    kind: str
    status: str
    photo_size: tuple[int, int] | None = None
    agreement: Agreement | None = None
    evidence: Evidence | None = None
    stages: tuple[StageLoss, ...] = ()
    reasons: tuple[str, ...] = ()
    blamed: str | None = None
    pictures: CasePictures | None = None

    @property
    def is_finite(self) -> bool:
        """Whether there is no NaN and no infinity in what reference and artefact gave; True if it did not run."""
        if self.agreement is None:
            return True
        outputs = [self.agreement.logits, *(loss.output for loss in self.stages if loss.output)]
        return (
            self.evidence.is_finite
            and math.isfinite(self.agreement.score_difference)
            and not any(output.not_finite for output in outputs)
        )

    @property
    def name(self) -> str:
        """The prompt's."""
        return self.case.name

    @property
    def reason(self) -> str | None:
        """All reasons in one line."""
        return "; ".join(self.reasons) or None


@dataclass(frozen=True)
class Summary:
    """Figures over all cases that ran and are evidence.

    Attributes:
        min_iou: of all masks that are evidence: not of those that are empty, or the whole photo, on both sides.
        mean_iou: likewise.
        mean_boundary_iou: likewise.
        mean_shown_iou: of the masks that users are shown.
        max_score_difference: infinite if a score is not finite.
        same_choice: share of ambiguous prompts for which the same of three masks is shown; None if
            there was none, or the reference's scores are equal in each.
        flip_loss: mean IoU that users lose because another mask is chosen.
        miou_lost: mean IoU with true masks, the reference's minus the artefact's; None without any.
        stage_losses: stage → mean IoU that it loses by itself, of the worst mask; None where the
            reference could not be run.
    """

    min_iou: float
    mean_iou: float
    mean_boundary_iou: float
    mean_shown_iou: float
    max_score_difference: float
    same_choice: float | None
    flip_loss: float
    miou_lost: float | None
    stage_losses: Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class Comparison:
    """One artefact against the reference.

    Attributes:
        artifact: what was compared.
        engine: name of what ran it; None if nothing could.
        gates: what it was held to.
        cases: goldens first.
        summary: None if no case ran, or none is evidence.
        failures: what holds for the whole and not for a case: gates on means, or that the artefact
            cannot be loaded.
        blamed: the stage that most failed cases come from, or that lost most if only the whole
            failed; None if the verdict is not FAILED, or no stage is to blame.
        unproven: what no case proves, in words.
        verdict: PASSED, FAILED, NOT_PROVEN or NOT_RUN.
        seconds: median time of "image_encoder" and "mask_decoder" in this run, on this machine.
        drifts: the operations or modules that depart most from the reference; why that is not known;
            None if it was not asked for.
    """

    artifact: Artifact
    engine: str | None
    gates: Gates
    cases: tuple[CaseResult, ...]
    summary: Summary | None
    failures: tuple[str, ...]
    blamed: str | None
    unproven: tuple[str, ...]
    verdict: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    drifts: tuple["Drift", ...] | Unavailable | None = None

    @property
    def not_run_reasons(self) -> tuple[str, ...]:
        """Why cases did not run, each reason once."""
        reasons = (case.reason for case in self.cases if case.status == NOT_RUN)
        return tuple(dict.fromkeys(reasons))

    @property
    def size_bytes(self) -> int:
        """Size of the two model files."""
        return sum(map(size_of, self.artifact.components.values()))

    def count(self, status: str) -> int:
        """How many cases have ``status``."""
        return sum(case.status == status for case in self.cases)


def conclude(
    artifact: Artifact,
    engine: str | None,
    gates: Gates,
    cases: Sequence[CaseResult],
    failures: Sequence[str] = (),
    seconds: Mapping[str, float] | None = None,
    drifts: tuple["Drift", ...] | Unavailable | None = None,
) -> Comparison:
    """Draw the verdict: PASSED needs evidence of everything, no case that failed, and sufficient means."""
    summary, missing = summarize(cases), unproven(cases)
    failures = [*failures, *(gates.summary_failures(summary) if summary else ())]
    if failures or any(case.status == FAILED for case in cases):
        verdict = FAILED
    elif missing:
        verdict = NOT_PROVEN
    else:
        verdict = PASSED if summary else NOT_RUN
    blamed = _stage_to_blame(cases, summary) if verdict == FAILED else None
    return Comparison(
        artifact,
        engine,
        gates,
        tuple(cases),
        summary,
        tuple(failures),
        blamed,
        tuple(missing),
        verdict,
        seconds or {},
        drifts,
    )


def summarize(cases: Sequence[CaseResult]) -> Summary | None:
    """Figures over all cases that ran and are evidence; None if there is none."""
    ran = [case for case in cases if case.agreement and case.status != NOT_PROVEN]
    if not ran:
        return None
    agreements = [case.agreement for case in ran]
    chosen = [
        case.agreement.same_choice
        for case in ran
        if is_ambiguous(case.case) and not case.evidence.no_choice
    ]
    truths = [item.truth_ious for item in agreements if item.truth_ious]
    return Summary(
        min_iou=min(item.min_iou for item in agreements),
        mean_iou=_mean_evident(agreements, lambda item: item.mask_ious),
        mean_boundary_iou=_mean_evident(agreements, lambda item: item.boundary_ious),
        mean_shown_iou=_mean([item.shown_iou for item in agreements]),
        max_score_difference=max(item.score_difference for item in agreements),
        same_choice=_mean(chosen) if chosen else None,
        flip_loss=_mean([item.flip_loss for item in agreements]),
        miou_lost=_mean([ours - theirs for ours, theirs in truths]) if truths else None,
        stage_losses={stage: _mean_loss(ran, stage) for stage in STAGES},
    )


def _mean_evident(
    agreements: Sequence[Agreement], values: Callable[[Agreement], Sequence[float]]
) -> float:
    """Over the masks that are evidence; over all if none is, in cases that failed for another reason."""
    evident = [value for item in agreements for value in item.evident(values(item))]
    return _mean(evident or [value for item in agreements for value in values(item)])


def _mean_loss(cases: Sequence[CaseResult], stage: str) -> float | None:
    ious = [loss.own_iou for case in cases for loss in case.stages if loss.stage == stage]
    known = [iou for iou in ious if iou is not None]
    return 1 - _mean(known) if known else None


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))


def _stage_to_blame(cases: Sequence[CaseResult], summary: Summary | None) -> str | None:
    failed = [case for case in cases if case.status == FAILED]
    if failed and all(case.evidence and not case.evidence.is_finite for case in failed):
        return None  # no stage of the artefact is to blame for its reference
    blamed = Counter(case.blamed for case in failed if case.blamed)
    if blamed:
        return max(STAGES, key=lambda stage: blamed[stage])  # of equals the earliest
    losses = {} if summary is None else summary.stage_losses
    worst = max(STAGES, key=lambda stage: losses.get(stage) or 0)
    return worst if losses.get(worst) else None


def overall_verdict(comparisons: Sequence[Comparison]) -> str:
    """The first of FAILED, NOT_PROVEN and PASSED that one artefact has; else NOT_RUN."""
    verdicts = [comparison.verdict for comparison in comparisons]
    return next(
        (verdict for verdict in (FAILED, NOT_PROVEN, PASSED) if verdict in verdicts), NOT_RUN
    )


def build_document(comparisons: Sequence[Comparison]) -> dict:
    """The JSON document of ``validate compare``; docs/validation.md has its schema.

    A number that is null was not measured (``status`` "not run") or is not finite (``reasons``
    say so).
    """
    return {
        "schema": RESULTS_SCHEMA,
        "verdict": overall_verdict(comparisons),
        "artifacts": [_comparison_record(comparison) for comparison in comparisons],
    }


def _comparison_record(comparison: Comparison) -> dict:
    artifact = comparison.artifact
    return {
        "artifact": str(artifact.folder),
        "model": artifact.model,
        "format": artifact.format,
        "scheme": artifact.scheme,
        "bytes": comparison.size_bytes,
        "checkpoint": asdict(artifact.checkpoint),
        "engine": comparison.engine,
        "verdict": comparison.verdict,
        "blamed": comparison.blamed,
        "failures": list(comparison.failures),
        "unproven": list(comparison.unproven),
        "not_run_reasons": list(comparison.not_run_reasons),
        "gates": asdict(comparison.gates),
        "summary": _plain(comparison.summary),
        "seconds": dict(comparison.seconds),
        "counts": {
            status: comparison.count(status) for status in (PASSED, FAILED, NOT_PROVEN, NOT_RUN)
        },
        "cases": [_case_record(case) for case in comparison.cases],
        "drift": _drift_record(comparison.drifts),
    }


def _case_record(case: CaseResult) -> dict:
    return {
        "name": case.name,
        "photo": case.photo,
        "kind": case.kind,
        "points": [list(point) for point in case.case.points],
        "labels": list(case.case.labels),
        "box": list(case.case.box) if case.case.box else None,
        "mask_from": case.case.mask_from,
        "status": case.status,
        "reasons": list(case.reasons),
        "blamed": case.blamed,
        "no_evidence": None
        if case.evidence is None
        else {"masks": case.evidence.no_mask, "choice": case.evidence.no_choice},
        "agreement": _plain(case.agreement),
        "stages": {loss.stage: _plain(loss) for loss in case.stages},
    }


def _drift_record(drifts: tuple["Drift", ...] | Unavailable | None) -> dict | None:
    if drifts is None:
        return None
    if isinstance(drifts, Unavailable):
        return {"status": NOT_RUN, "reason": drifts.reason, "worst": []}
    return {"status": "measured", "reason": None, "worst": [_plain(drift) for drift in drifts]}


def _plain(value: object) -> object:
    """Dataclasses as JSON has them; numbers that it has not, infinite ones, as null."""
    if is_dataclass(value):
        names = [*value.__dataclass_fields__]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
