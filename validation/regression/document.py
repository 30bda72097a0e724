"""Builds the JSON document of the results; docs/regression.md has its schema."""

from collections.abc import Mapping, Sequence

from validation.regression.judging import Line, verdict_of

SCHEMA = "mobile-sam-export/regression/1"


def build_document(
    lines: Mapping[str, list[Line]],
    baseline: str | None,
    updated: bool,
    unwatched: Sequence[str],
) -> dict:
    """Return the document with every line.

    Args:
        lines: the artifact's name → its lines.
        baseline: the baseline's path, as the user wrote it.
        updated: whether the baseline was updated.
        unwatched: the disturbances that this system does not report.
    """
    return {
        "schema": SCHEMA,
        "verdict": verdict_of(lines),
        "baseline": baseline,
        "updated": updated,
        "unwatched": list(unwatched),
        "artifacts": {name: [_line(line) for line in each] for name, each in lines.items()},
    }


def _line(line: Line) -> dict:
    return {
        "quantity": line.quantity,
        "unit": None if line.figure is None else line.figure.unit,
        "baseline": line.baseline,
        "now": line.now,
        "change": line.change,
        "limit": line.limit,
        "verdict": line.verdict,
        "reason": line.reason,
    }
