"""Formats the results of ``validate accuracy`` as tables for a terminal."""

from collections.abc import Sequence

from validation.accuracy.document import Data, with_references
from validation.accuracy.evaluation import Evaluation
from validation.accuracy.results import (
    BOX,
    CLICKS,
    MEDIUM_AREA,
    POINT,
    POINT_BEST,
    SMALL_AREA,
    Accuracy,
)
from validation.documents.text_table import aligned
from validation.documents.verdicts import VERDICTS, explanations

# Protocol → title of its column.
COLUMNS = {POINT: "point", POINT_BEST: "best of 3", BOX: "box", CLICKS: "3 clicks"}


def format_accuracy(evaluations: Sequence[Evaluation], data: Data) -> list[str]:
    """Return a row with mean IoU and verdict per model, then rows by size and kind of object, then reasons."""
    shown = with_references(evaluations)
    rows = [("", "engine", *COLUMNS.values(), "lost", ""), *map(_row, shown)]
    lines = [_title(shown, data), *(line.rstrip() for line in aligned(rows, left=2))]
    for evaluation in shown:
        if evaluation.accuracy is not None:
            lines += ["", *_breakdown(evaluation.name, evaluation.accuracy)]
    notes = [note for evaluation in shown for note in _notes(evaluation)]
    return [*lines, *([""] if notes else []), *dict.fromkeys(notes)]


def _title(evaluations: Sequence[Evaluation], data: Data) -> str:
    counts = [len(item.accuracy.scores) for item in evaluations if item.accuracy]
    objects = f", {counts[0]} objects" if counts else ""
    what = "held-out scenes" if data.path is None else f"photos of {data.path}"
    return f"{data.photos} {what}{objects}: mean IoU with the true masks"


def _row(evaluation: Evaluation) -> tuple[str, ...]:
    lost = evaluation.miou_lost
    return (
        evaluation.name if evaluation.artifact else f"reference: {evaluation.name}",
        evaluation.engine or "-",
        *(_cells(evaluation.accuracy) if evaluation.accuracy else ["-"] * len(COLUMNS)),
        "-" if lost is None else f"{max(lost.values()):.4f}",
        VERDICTS.get(evaluation.verdict, ""),
    )


def _cells(accuracy: Accuracy) -> list[str]:
    return [f"{accuracy.miou[protocol]:.4f}" for protocol in COLUMNS]


def _breakdown(name: str, accuracy: Accuracy) -> list[str]:
    rows = [(name, "objects", *COLUMNS.values())]
    rows += [
        (_describe(group), str(len(members.scores)), *_cells(members))
        for group, members in accuracy.groups.items()
    ]
    return aligned(rows, left=1)


def _describe(group: str) -> str:
    limits = {
        "small": f" (< {SMALL_AREA} pixels)",
        "medium": f" (< {MEDIUM_AREA} pixels)",
        "large": " (more)",
    }
    return group + limits.get(group, "")


def _notes(evaluation: Evaluation) -> list[str]:
    """Return the sentences that a reader needs to understand the numbers."""
    reasons = explanations(evaluation.failures, evaluation.unproven, evaluation.not_run_reasons)
    notes = [f"{verdict}: {evaluation.name}: {text}" for verdict, text in reasons]
    if not evaluation.checkpoint.trained:
        notes.append(
            f"The weights '{evaluation.checkpoint.name}' are untrained: their masks mean nothing."
        )
    return notes
