"""The verdict on an artifact, from all of its cases."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from validation.artifacts.artifact import Artifact
from validation.comparison.agreement import MULTIMASK, Agreement
from validation.comparison.judging import summary_failures
from validation.comparison.results import CaseResult, Comparison, Summary
from validation.documents.verdicts import FAILED, NOT_PROVEN, Unavailable, overall_verdict
from validation.gates import Gates
from validation.inspection.drift import Drift
from validation.questions.cases import is_ambiguous
from validation.stages import STAGES

# The masks that users are shown, first for an unambiguous prompt, then for an ambiguous one.
_SHOWN = {
    "the single mask: the reference draws it": slice(1),
    "the three guesses: the reference draws each": MULTIMASK,
}


def conclude(
    artifact: Artifact,
    engine: str | None,
    gates: Gates,
    cases: Sequence[CaseResult],
    failures: Sequence[str] = (),
    seconds: Mapping[str, float] | None = None,
    drifts: tuple[Drift, ...] | Unavailable | None = None,
    quick: bool = False,
) -> Comparison:
    """Draw the verdict.

    PASSED needs evidence of everything, no failed case, no case that did not run, and means that hold their gates.

    Args:
        artifact: the artifact that was compared.
        engine: name of the engine that ran it; None if none could.
        gates: the limits.
        cases: the results of all cases.
        failures: reasons to fail that concern the whole artifact, in words.
        seconds: stage → median time of a call in seconds.
        drifts: the operations or modules that differ most, or why they are not known; None if not asked for.
        quick: whether only the goldens were asked about.
    """
    summary, missing = summarize(cases), unproven(cases)
    failures = [*failures, *(summary_failures(gates, summary) if summary else ())]
    # A single case may prove nothing, as long as others do.
    verdicts = [case.status for case in cases if case.status != NOT_PROVEN]
    verdicts += [FAILED] * bool(failures) + [NOT_PROVEN] * bool(missing)
    verdict = overall_verdict(verdicts)
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
        quick,
    )


def summarize(cases: Sequence[CaseResult]) -> Summary | None:
    """Figures over all cases that ran and are evidence; None if there is no such case."""
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
        min_seen_iou=min(item.min_seen_iou for item in agreements),
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
    """The mean over the masks that are evidence, or over all masks if none is."""
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
        return None  # the reference is not finite, for which no stage of the artifact is to blame
    blamed = Counter(case.blamed for case in failed if case.blamed)
    if blamed:
        return max(STAGES, key=lambda stage: blamed[stage])  # the earliest if several are equal
    losses = {} if summary is None else summary.stage_losses
    worst = max(STAGES, key=lambda stage: losses.get(stage) or 0)
    return worst if losses.get(worst) else None


def unproven(cases: Sequence[CaseResult]) -> list[str]:
    """List in words what no case proves; empty if there is evidence of everything, or if no case ran."""
    ran = [case for case in cases if case.evidence]
    if not ran:
        return []
    if all(case.evidence.no_mask for case in ran):
        reasons = dict.fromkeys(case.evidence.no_mask for case in ran)
        return [f"nothing was proven in any case: {'; '.join(reasons)}"]
    if _all_the_same(case.evidence.masks for case in ran):
        return ["nothing was proven: the reference draws the same masks in every case"]
    missing = [
        f"{what} empty, or as the whole photo, in every case"
        for what, masks in _SHOWN.items()
        if all(all(case.evidence.blank[masks]) for case in ran)
    ]
    if _all_the_same({case.photo: case.evidence.image_embeddings for case in ran}.values()):
        missing.append("the image encoder: the reference's embeddings of every photo are the same")
    if _all_the_same(case.evidence.scores for case in ran):
        missing.append("the scores: the reference scores are the same in every case")
    choices = [case.evidence.no_choice for case in ran if is_ambiguous(case.case)]
    if choices and all(choices):
        missing.append("the choice of a mask: the reference scores are equal in every case")
    return [f"nothing was proven of {text}" for text in missing]


def _all_the_same(values: Iterable[bytes]) -> bool:
    values = list(values)  # a single value cannot show that others would be the same
    return len(values) > 1 and len(set(values)) == 1
