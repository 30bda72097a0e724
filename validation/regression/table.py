"""Formats the lines of a comparison as a table for a terminal."""

from collections.abc import Mapping

from validation.documents.text_table import aligned
from validation.documents.verdicts import FAILED, NOT_PROVEN, NOT_RUN, PASSED
from validation.latency.results import INVALID
from validation.regression.judging import BETTER, INFORMATION, Line, Value, verdict_of

_COLUMNS = ("quantity", "baseline", "now", "change", "limit", "verdict")
VERDICTS = {
    PASSED: "pass",
    BETTER: "pass: better",
    FAILED: "FAIL",
    NOT_PROVEN: "NOT PROVEN",
    NOT_RUN: "NOT RUN",
    INVALID: "INVALID",
    INFORMATION: "",
}
_NONE = "-"


def format_lines(lines: Mapping[str, list[Line]]) -> list[str]:
    """Return a table with a row per artifact, followed by a row per quantity of it."""
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for name, each in lines.items():
        rows += [(name, "", "", "", "", ""), *map(_row, each)]
    reasons = [""]
    for each in lines.values():
        reasons += ["", *(line.reason or "" for line in each)]
    texts = zip(aligned(rows, left=1), reasons, strict=True)
    return [f"{text}  {reason}".rstrip() for text, reason in texts]


def format_verdict(lines: Mapping[str, list[Line]], baseline: str, updated: bool) -> list[str]:
    """Return the overall verdict, the number of lines per verdict, and what improved.

    An improvement is advice to update the baseline, unless the baseline was ``updated`` by the same run.
    """
    verdicts = [line.verdict for each in lines.values() for line in each]
    parts = [f"{sum(verdict in (PASSED, BETTER) for verdict in verdicts)} pass"]
    for verdict, words in (
        (FAILED, "fail"),
        (NOT_PROVEN, "NOT PROVEN"),
        (INVALID, "INVALID"),
        (NOT_RUN, "NOT RUN"),
    ):
        if count := verdicts.count(verdict):
            parts.append(f"{count} {words}")
    if count := sum(line.change == "new" for each in lines.values() for line in each):
        parts.append(f"{count} new")
    verdict = verdict_of(lines)
    # Every line of a first baseline is new. That the baseline was written must not read like a failure to do so.
    word = "nothing compared" if updated and verdict == NOT_RUN else VERDICTS[verdict]
    words = [f"{word.upper()}: {', '.join(parts)}; baseline: {baseline}"]
    if better := verdicts.count(BETTER):
        figures, limits = ("figure", "its limit") if better == 1 else ("figures", "their limits")
        advice = f"; run with --update to make {'it' if better == 1 else 'them'} the new baseline"
        words.append(
            f"{better} {figures} improved by more than {limits}{'' if updated else advice}"
        )
    return words


def _row(line: Line) -> tuple[str, ...]:
    return (
        f"  {line.quantity}",
        _value(line, line.baseline),
        _value(line, line.now),
        _change(line, line.change),
        _limit(line),
        VERDICTS[line.verdict],
    )


def _value(line: Line, value: Value) -> str:
    if value is None:
        return _NONE
    return value if isinstance(value, str) else line.figure.text(value)


def _change(line: Line, change: Value) -> str:
    if change is None:
        return _NONE
    return change if isinstance(change, str) else line.figure.change_text(change)


def _limit(line: Line) -> str:
    if line.limit is None:
        return _NONE
    if line.figure is None:
        return f"{line.limit:g}"
    return line.figure.change_text(line.figure.worse(line.limit))
