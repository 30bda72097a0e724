"""The results of comparisons as tables for a terminal."""

from collections.abc import Sequence

from reference.common.plain_text import escape
from validation.comparison.judging import judged_by_pixels
from validation.comparison.results import CaseResult, Comparison
from validation.documents.text_table import aligned
from validation.documents.verdicts import (
    FAILED,
    INCOMPLETE,
    NOT_PROVEN,
    NOT_RUN,
    PASSED,
    VERDICTS,
    explanations,
)

PHOTO_WIDTH = 24  # characters; a longer path is cut at its start, so that the file name is shown

_COLUMNS = ("case", "photo", "IoU min", "boundary", "shown", "score Δ", "logit Δ")
_OVERVIEW = ("artifact", "engine", "MB", "IoU mean", "IoU min", "boundary", "encode", "decode", "")
_ABOUT_TIMES = "  encode, decode: medians of this run, whose artifacts share the cores; 'validate latency' tells speed"


def format_comparison(comparison: Comparison) -> list[str]:
    """A title, one row per case, the verdict, and the reasons if the verdict is not a plain pass."""
    rows = [_COLUMNS, *map(_row, comparison.cases)]
    results = ["", *map(_result, comparison.cases)]
    lines = [_title(comparison)]
    for row, result in zip(aligned(rows, left=2), results, strict=True):
        lines.append(f"{row}  {result}".rstrip())
    lines += [_verdict(comparison), *_stage_lines(comparison)]
    return [*lines, *_drift_lines(comparison), *_explanations(comparison)]


def format_overview(comparisons: Sequence[Comparison]) -> list[str]:
    """A table with one row per artifact."""
    rows = [_OVERVIEW]
    for item in comparisons:
        figures = ("-", "-", "-")
        if item.summary:
            summary = item.summary
            values = (summary.mean_iou, summary.min_iou, summary.mean_boundary_iou)
            figures = tuple(f"{value:.4f}" for value in values)
        rows.append(
            (
                item.artifact.name,
                item.engine or "-",
                f"{item.size_bytes / 1e6:.1f}",
                *figures,
                *(_seconds(item, stage) for stage in ("image_encoder", "mask_decoder")),
                VERDICTS[item.verdict],
            )
        )
    return [*(line.rstrip() for line in aligned(rows, left=2)), _ABOUT_TIMES]


def _seconds(comparison: Comparison, stage: str) -> str:
    seconds = comparison.seconds.get(stage)
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"


def _title(comparison: Comparison) -> str:
    checkpoint = comparison.artifact.checkpoint
    trained = "" if checkpoint.trained else ", untrained: its masks mean nothing"
    return f"{comparison.artifact.name} (weights: {checkpoint.name}{trained})"


def _row(case: CaseResult) -> tuple[str, ...]:
    agreement = case.agreement
    if agreement is None:
        return case.name, _end_of(case.photo), *["-"] * 5
    ious = agreement.min_iou, min(agreement.boundary_ious), agreement.shown_iou
    return (
        case.name,
        _end_of(case.photo),
        *("-" if case.status == NOT_PROVEN else f"{iou:.4f}" for iou in ious),
        f"{agreement.score_difference:.2g}",
        f"{agreement.logits.largest:.2g}",
    )


def _end_of(photo: str) -> str:
    shown = escape(photo)
    return shown if len(shown) <= PHOTO_WIDTH else f"…{shown[1 - PHOTO_WIDTH :]}"


def _result(case: CaseResult) -> str:
    if case.status in (FAILED, NOT_PROVEN):
        return f"{VERDICTS[case.status]}: {case.reason}"
    if case.status == NOT_RUN:
        return VERDICTS[NOT_RUN]
    note = case.evidence.no_choice
    return "pass" if note is None else f"pass ({note})"


def _verdict(comparison: Comparison) -> str:
    """The line of the verdict, such as ``PASS: 15 of 15 cases passed; mask IoU min …, mean …; engine: …``."""
    parts = [f"{comparison.count(PASSED)} of {len(comparison.cases)} cases passed"]
    for status, words in ((FAILED, "failed"), (NOT_PROVEN, "NOT PROVEN"), (NOT_RUN, "NOT RUN")):
        if count := comparison.count(status):
            parts.append(f"{count} {words}")
    words = [", ".join(parts)]
    if summary := comparison.summary:
        gates = comparison.gates
        words += [
            f"mask IoU min {summary.min_iou:.4f}, of masks that users see {summary.min_seen_iou:.4f} (gate "
            f"{gates.min_iou:g}), mean {summary.mean_iou:.4f} (gate {gates.mean_iou:g})",
            f"engine: {comparison.engine}",
        ]
    if comparison.blamed:
        words.append(f"stage to blame: {comparison.blamed}")
    scope = " (quick: about the goldens only)" if comparison.quick else ""
    return f"{VERDICTS[comparison.verdict]}{scope}: {'; '.join(words)}"


def _stage_lines(comparison: Comparison) -> list[str]:
    """Format what each stage loses alone, and what users lose because another mask is chosen."""
    if comparison.summary is None:
        return []
    losses = ", ".join(
        f"{stage} {'NOT RUN' if loss is None else f'{loss:.4f}'}"
        for stage, loss in comparison.summary.stage_losses.items()
    )
    lines = [f"IoU lost by each stage alone (worst mask, mean of cases): {losses}"]
    if comparison.summary.flip_loss:
        lines.append(
            f"IoU lost to another choice of mask, mean: {comparison.summary.flip_loss:.4f}"
        )
    if by_pixels := _judged_by_pixels(comparison):
        lines.append(
            f"Held although the IoU is below its gate, because only a handful of pixels differ: {by_pixels}"
        )
    return lines


def _judged_by_pixels(comparison: Comparison) -> str:
    return ", ".join(
        f"mask {index} of {case.name} ({case.agreement.mask_ious[index]:.4f})"
        for case in comparison.cases
        if case.agreement
        for index in judged_by_pixels(comparison.gates, case.agreement)
    )


def _drift_lines(comparison: Comparison) -> list[str]:
    """The operations or modules that differ most from the reference, or why they are not known."""
    drifts = comparison.drifts
    if drifts is None:
        return []
    if not isinstance(drifts, tuple):
        return [f"drift: {VERDICTS[NOT_RUN]}: {drifts.reason}"]
    rows = [("operation or module", "kind", "own error", "total error")]
    rows += [
        (drift.source or drift.name, drift.kind, _relative(drift.own), _relative(drift.total))
        for drift in drifts
    ]
    title = "largest relative errors (L2); own errors are measured with reference inputs"
    return [f"{title}:", *aligned(rows, left=2)]


def _relative(difference: object) -> str:
    return f"{difference.relative_l2:.2e}"


def _explanations(comparison: Comparison) -> list[str]:
    """Explain why the whole artifact fails, what is proven and what is not, and why cases did not run."""
    lines = []
    if comparison.verdict == INCOMPLETE:
        lines.append(
            f"{VERDICTS[INCOMPLETE]}: {comparison.proven} agree with the reference; the rest is not proven"
        )
    reasons = explanations(comparison.failures, comparison.unproven, comparison.not_run_reasons)
    return [*lines, *(f"{verdict}: {text}" for verdict, text in reasons)]
