"""What a comparison found, as data and as a JSON document."""

import math
from dataclasses import asdict, dataclass

from validation.agreement import Agreement
from validation.artifact import Artifact
from validation.gates import Gates

RESULTS_SCHEMA = "mobile-sam-export/comparison/1"

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"  # of a case, and of a whole comparison


@dataclass(frozen=True)
class CaseResult:
    """One prompt about one photo.

    Attributes:
        name: the case's.
        photo: a sample photo's name, or the path of a user's.
        kind: "golden" (reference answers stored in the artefact) or "photo" (computed now).
        status: PASSED, FAILED or NOT_RUN.
        agreement: None if it did not run.
        reason: why it failed or did not run; None if it passed.
    """

    name: str
    photo: str
    kind: str
    status: str
    agreement: Agreement | None
    reason: str | None


@dataclass(frozen=True)
class Comparison:
    """One artefact against the reference.

    Attributes:
        artifact: what was compared.
        engine: name of what ran it; None if nothing could.
        gates: what it was held to.
        cases: goldens first.
        mean_iou: over all masks of all cases that ran; None if none did.
        failures: gates on the whole that are not held; cases have their own ``reason``.
        verdict: PASSED, FAILED or NOT_RUN.
    """

    artifact: Artifact
    engine: str | None
    gates: Gates
    cases: tuple[CaseResult, ...]
    mean_iou: float | None
    failures: tuple[str, ...]
    verdict: str

    @property
    def not_run_reasons(self) -> tuple[str, ...]:
        """Why cases did not run, each reason once."""
        return tuple(dict.fromkeys(case.reason for case in self.cases if case.status == NOT_RUN))

    def count(self, status: str) -> int:
        """How many cases have ``status``."""
        return sum(case.status == status for case in self.cases)


def conclude(
    artifact: Artifact, engine: str | None, gates: Gates, cases: list[CaseResult]
) -> Comparison:
    """Draw the verdict: PASSED needs a case that ran, none that failed, and a sufficient mean."""
    ious = [iou for case in cases if case.agreement for iou in case.agreement.mask_ious]
    mean_iou = sum(ious) / len(ious) if ious else None
    failures = []
    if mean_iou is not None and mean_iou < gates.mean_mask_iou:
        failures.append(f"mean mask IoU {mean_iou:.4f}, gate {gates.mean_mask_iou:g}")
    if failures or any(case.status == FAILED for case in cases):
        verdict = FAILED
    else:
        verdict = PASSED if ious else NOT_RUN
    return Comparison(artifact, engine, gates, tuple(cases), mean_iou, tuple(failures), verdict)


def build_document(comparisons: list[Comparison]) -> dict:
    """The JSON document of ``validate compare``.

    A number that is null was not measured (``status`` "not run") or is not finite (``reason``
    says so).
    """
    return {
        "schema": RESULTS_SCHEMA,
        "verdict": overall_verdict(comparisons),
        "artifacts": [_comparison_record(comparison) for comparison in comparisons],
    }


def overall_verdict(comparisons: list[Comparison]) -> str:
    """FAILED if one failed; else PASSED if one passed; else NOT_RUN."""
    verdicts = [comparison.verdict for comparison in comparisons]
    return next((verdict for verdict in (FAILED, PASSED) if verdict in verdicts), NOT_RUN)


def _comparison_record(comparison: Comparison) -> dict:
    artifact = comparison.artifact
    return {
        "artifact": str(artifact.folder),
        "model": artifact.model,
        "format": artifact.format,
        "scheme": artifact.scheme,
        "checkpoint": asdict(artifact.checkpoint),
        "engine": comparison.engine,
        "verdict": comparison.verdict,
        "failures": list(comparison.failures),
        "not_run_reasons": list(comparison.not_run_reasons),
        "gates": asdict(comparison.gates),
        "mean_iou": comparison.mean_iou,
        "counts": {status: comparison.count(status) for status in (PASSED, FAILED, NOT_RUN)},
        "cases": [_case_record(case) for case in comparison.cases],
    }


def _case_record(case: CaseResult) -> dict:
    record = {
        "name": case.name,
        "photo": case.photo,
        "kind": case.kind,
        "status": case.status,
        "reason": case.reason,
        "mask_ious": None,
    }
    numbers = ("min_iou", "best_iou", "score_difference", "logit_difference")
    if case.agreement is None:
        return record | dict.fromkeys(numbers)
    record["mask_ious"] = list(case.agreement.mask_ious)
    return record | {name: _finite(getattr(case.agreement, name)) for name in numbers}


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
