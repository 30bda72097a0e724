"""Builds the JSON document of ``validate accuracy``; docs/accuracy.md describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from validation.accuracy.evaluation import Evaluation
from validation.accuracy.results import PROTOCOLS, Accuracy
from validation.documents.verdicts import overall_verdict

ACCURACY_SCHEMA = "mobile-sam-export/accuracy/4"


@dataclass(frozen=True)
class Data:
    """The photos that models were measured on.

    Attributes:
        kind: "scenes" or "dataset".
        path: the dataset's folder; None for scenes.
        photos: the number of photos.
        left_out: kind of entry of the dataset → the number of entries that were left out.
    """

    kind: str
    path: str | None
    photos: int
    left_out: Mapping[str, int] = field(default_factory=dict)


def with_references(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Insert each reference before the first artifact that is compared with it, without duplicates."""
    rows: list[Evaluation] = []
    for evaluation in evaluations:
        for item in (evaluation.reference, evaluation):
            if isinstance(item, Evaluation) and item not in rows:
                rows.append(item)
    return rows


def verdict_of(evaluations: Sequence[Evaluation]) -> str:
    """Return the verdict on all evaluations and their references."""
    return overall_verdict(evaluation.verdict for evaluation in with_references(evaluations))


def build_document(evaluations: Sequence[Evaluation], data: Data) -> dict:
    """Return the document. A number that is null was not measured."""
    return {
        "schema": ACCURACY_SCHEMA,
        "verdict": verdict_of(evaluations),
        "data": asdict(data),
        "protocols": dict(PROTOCOLS),
        "models": [_record(evaluation) for evaluation in with_references(evaluations)],
    }


def _record(evaluation: Evaluation) -> dict:
    artifact, accuracy = evaluation.artifact, evaluation.accuracy
    return {
        "name": evaluation.name,
        "artifact": None if artifact is None else artifact.record(),
        "model": evaluation.model,
        "checkpoint": asdict(evaluation.checkpoint),
        "engine": evaluation.engine,
        "verdict": evaluation.verdict,
        "failures": list(evaluation.failures),
        "not_run_reasons": list(evaluation.not_run_reasons),
        "unproven": list(evaluation.unproven),
        "objects": None if accuracy is None else len(accuracy.scores),
        "miou": None if accuracy is None else accuracy.miou,
        "miou_lost": evaluation.miou_lost,
        "max_miou_lost": evaluation.max_miou_lost,
        "groups": {} if accuracy is None else _groups(accuracy),
        "scores": [] if accuracy is None else [asdict(score) for score in accuracy.scores],
    }


def _groups(accuracy: Accuracy) -> dict:
    return {
        name: {"objects": len(group.scores), "miou": group.miou}
        for name, group in accuracy.groups.items()
    }
