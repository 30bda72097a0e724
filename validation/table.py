"""What a comparison found, as a table for a terminal."""

from validation.results import FAILED, NOT_RUN, PASSED, CaseResult, Comparison

VERDICTS = {PASSED: "PASS", FAILED: "FAIL", NOT_RUN: "NOT RUN"}
PHOTO_WIDTH = 24  # characters; of a longer path the end is shown, which has the file's name

_COLUMNS = ("case", "photo", "IoU min", "best", "score Δ", "logit Δ")


def format_comparison(comparison: Comparison) -> str:
    """Lines of a title, one row per case, the verdict, and why it is not a plain pass."""
    rows = [_COLUMNS, *map(_row, comparison.cases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    results = ["", *map(_result, comparison.cases)]
    lines = [_title(comparison)]
    for row, result in zip(rows, results, strict=True):
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(["", *cells, result]).rstrip())
    return "\n".join([*lines, _verdict(comparison), *_explanations(comparison)])


def _title(comparison: Comparison) -> str:
    checkpoint = comparison.artifact.checkpoint
    trained = "" if checkpoint.trained else ", untrained: its masks mean nothing"
    return f"{comparison.artifact.name} (weights: {checkpoint.name}{trained})"


def _row(case: CaseResult) -> tuple[str, ...]:
    agreement = case.agreement
    if agreement is None:
        return case.name, _shorten(case.photo), "-", "-", "-", "-"
    return (
        case.name,
        _shorten(case.photo),
        f"{agreement.min_iou:.4f}",
        f"{agreement.best_iou:.4f}",
        f"{agreement.score_difference:.2g}",
        f"{agreement.logit_difference:.2g}",
    )


def _shorten(photo: str) -> str:
    return photo if len(photo) <= PHOTO_WIDTH else f"…{photo[1 - PHOTO_WIDTH :]}"


def _result(case: CaseResult) -> str:
    if case.status == FAILED:
        return f"{VERDICTS[FAILED]}: {case.reason}"
    return VERDICTS[case.status] if case.status == NOT_RUN else "pass"


def _verdict(comparison: Comparison) -> str:
    """The last word, such as ``PASS  15 of 15 cases; mask IoU min …, mean …; engine: …``."""
    ran = [case.agreement for case in comparison.cases if case.agreement]
    parts = [f"{comparison.count(PASSED)} of {len(comparison.cases)} cases passed"]
    for status, words in ((FAILED, "failed"), (NOT_RUN, "NOT RUN")):
        if count := comparison.count(status):
            parts.append(f"{count} {words}")
    summary = [", ".join(parts)]
    if ran:
        gates = comparison.gates
        summary += [
            f"mask IoU min {min(agreement.min_iou for agreement in ran):.4f} "
            f"(gate {gates.min_mask_iou:g}), mean {comparison.mean_iou:.4f} "
            f"(gate {gates.mean_mask_iou:g})",
            f"engine: {comparison.engine}",
        ]
    return f"{VERDICTS[comparison.verdict]}: {'; '.join(summary)}"


def _explanations(comparison: Comparison) -> list[str]:
    """Why the whole fails, or why cases did not run."""
    failures = [f"{VERDICTS[FAILED]}: {text}" for text in comparison.failures]
    return failures + [f"{VERDICTS[NOT_RUN]}: {reason}" for reason in comparison.not_run_reasons]
