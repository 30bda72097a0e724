"""Results as a JSON document; docs/regression.md has its schema."""

from collections.abc import Mapping

from validation.regression.judging import BETTER, Line, any_failed
from validation.results import FAILED, NOT_RUN, PASSED

SCHEMA = "mobile-sam-export/regression/1"


def build_document(lines: Mapping[str, list[Line]], baseline: str | None, updated: bool) -> dict:
    """Every line, as numbers.

    Args:
        lines: of each artefact, by what it is called.
        baseline: the file's path, as the user wrote it.
        updated: whether it was written anew.
    """
    return {
        "schema": SCHEMA,
        "verdict": verdict(lines),
        "baseline": baseline,
        "updated": updated,
        "artifacts": {name: [_line(line) for line in each] for name, each in lines.items()},
    }


def verdict(lines: Mapping[str, list[Line]]) -> str:
    """FAILED if a line failed; else PASSED if one passed; else NOT_RUN."""
    if any_failed(lines):
        return FAILED
    verdicts = {line.verdict for each in lines.values() for line in each}
    return PASSED if verdicts & {PASSED, BETTER} else NOT_RUN


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
