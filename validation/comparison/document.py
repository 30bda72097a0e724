"""The JSON document of ``validate compare``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path

from validation.comparison.results import CaseResult, Comparison
from validation.documents.verdicts import (
    FAILED,
    NOT_PROVEN,
    NOT_RUN,
    PASSED,
    Unavailable,
    overall_verdict,
)
from validation.inspection.drift import Drift

RESULTS_SCHEMA = "mobile-sam-export/comparison/5"


def comparison_document(comparisons: Sequence[Comparison]) -> dict:
    """The JSON document of ``validate compare``; docs/validation.md describes its fields.

    A number is null if it was not measured (``status`` is "not run") or is not finite (``reasons``
    says so).
    """
    return {
        "schema": RESULTS_SCHEMA,
        "verdict": overall_verdict(comparison.verdict for comparison in comparisons),
        "artifacts": [_comparison_record(comparison) for comparison in comparisons],
    }


def _comparison_record(comparison: Comparison) -> dict:
    return {
        "artifact": comparison.artifact.record(),
        "engine": comparison.engine,
        "verdict": comparison.verdict,
        "quick": comparison.quick,
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


def _drift_record(drifts: tuple[Drift, ...] | Unavailable | None) -> dict | None:
    if drifts is None:
        return None
    if isinstance(drifts, Unavailable):
        return {"status": NOT_RUN, "reason": drifts.reason, "worst": []}
    return {"status": "measured", "reason": None, "worst": [_plain(drift) for drift in drifts]}


def _plain(value: object) -> object:
    """Dataclasses as JSON objects; NaN and infinite numbers, which JSON lacks, as null."""
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
