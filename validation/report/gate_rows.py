"""Rows that show the figures of an artifact beside its gates."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from validation.comparison.agreement import StageLoss
from validation.comparison.judging import judged_by_pixels
from validation.comparison.results import Comparison
from validation.documents.verdicts import NOT_PROVEN
from validation.gates import Gates, apple_psnr, gates_for, read_gates
from validation.report.formatting import fixed, percent, short
from validation.stages import IMAGE_ENCODER, MASK_DECODER, PREPROCESSING


@dataclass(frozen=True)
class GateRow:
    """One limit.

    Attributes:
        name: the figure that is limited.
        value: the worst value or the mean, as text.
        gate: the limit, as text.
        held: whether the value is within the limit; None if it was not measured.
        default: the default limit, as text, if the user has replaced it; None otherwise.
    """

    name: str
    value: str
    gate: str
    held: bool | None
    default: str | None = None


_read_defaults = cache(read_gates)


def _defaults(comparison: Comparison) -> Gates:
    return gates_for(comparison.artifact, _read_defaults())


def has_own_limits(comparison: Comparison) -> bool:
    """Whether the artifact was judged by limits that differ from the defaults."""
    return comparison.gates != _defaults(comparison)


def gate_rows(comparison: Comparison) -> list[GateRow]:
    """Return one row for each limit of the artifact, in the order of ``gates.toml``; none if no case ran."""
    if comparison.summary is None:
        return []
    defaults = _rows(comparison, _defaults(comparison))
    return [
        row if row.gate == default.gate else replace(row, default=default.gate)
        for row, default in zip(_rows(comparison, comparison.gates), defaults, strict=True)
    ]


def _rows(comparison: Comparison, gates: Gates) -> list[GateRow]:
    summary = comparison.summary
    same, lost = summary.same_choice, summary.miou_lost
    frame = _worst(comparison, PREPROCESSING, "largest", max)
    embeddings = _worst(comparison, IMAGE_ENCODER, "sqnr", min)
    logits = _worst(comparison, MASK_DECODER, "sqnr", min)
    not_finite = _not_finite(comparison)
    score = summary.max_score_difference
    judged = _judged_ious(comparison, gates)
    return [
        GateRow("Values that are not finite", str(not_finite), "0", not_finite == 0),
        _at_least("Lowest IoU of a mask that users see", _lowest(judged, True), gates.min_iou),
        _at_least("Lowest IoU of another mask", _lowest(judged, False), gates.min_hidden_iou),
        GateRow(
            "Masks below these limits that hold by their pixels",
            str(sum(iou is None for _, iou in judged)),
            f"differ by < {gates.max_handful:g} of the frame",
            True,
        ),
        _at_least("Mean mask IoU", summary.mean_iou, gates.mean_iou),
        _at_least("Mean boundary IoU", summary.mean_boundary_iou, gates.mean_boundary_iou),
        _at_most("Largest score difference", score, gates.max_score_difference, short),
        _at_least("Same choice of mask", same, gates.min_same_choice, percent),
        _at_most("mIoU lost on true masks", lost, gates.max_miou_lost, fixed),
        _at_most("Frame difference, of 255", frame, gates.max_frame_difference, short),
        _at_least(
            f"Embeddings SQNR, dB ({_psnr(comparison, IMAGE_ENCODER)})",
            embeddings,
            gates.min_embeddings_sqnr,
            _decibels,
        ),
        _at_least(
            f"Mask logits SQNR, dB ({_psnr(comparison, MASK_DECODER)})",
            logits,
            gates.min_logits_sqnr,
            _decibels,
        ),
    ]


def _psnr(comparison: Comparison, stage: str) -> str:
    lowest = _worst(comparison, stage, "psnr", min)
    advice = apple_psnr(comparison.artifact.scheme)
    return f"PSNR {_decibels(lowest)}; Apple advises {advice}"


def _judged_ious(comparison: Comparison, gates: Gates) -> list[tuple[bool, float | None]]:
    """Return for each mask whether users see it, and its IoU, or None if it is judged by pixels."""
    agreements = [
        case.agreement for case in comparison.cases if case.agreement and case.status != NOT_PROVEN
    ]
    judged = []
    for agreement in agreements:
        by_pixels = judged_by_pixels(gates, agreement)
        judged += [
            (agreement.is_seen(index), None if index in by_pixels else iou)
            for index, iou in enumerate(agreement.mask_ious)
        ]
    return judged


def _lowest(judged: Iterable[tuple[bool, float | None]], is_seen: bool) -> float | None:
    ious = [iou for seen, iou in judged if seen == is_seen and iou is not None]
    return min(ious, default=None)


def _at_least(name: str, value: float | None, gate: float, write=fixed) -> GateRow:
    held = None if value is None else value >= gate
    return GateRow(name, write(value), f"≥ {_limit(gate, write)}", held)


def _at_most(name: str, value: float | None, gate: float, write) -> GateRow:
    held = None if value is None else value <= gate
    return GateRow(name, write(value), f"≤ {_limit(gate, write)}", held)


def _limit(gate: float, write) -> str:
    return percent(gate) if write is percent else f"{gate:g}"


def _decibels(value: float | None) -> str:
    return fixed(value, 1)


def _losses(comparison: Comparison) -> Iterable[StageLoss]:
    return (loss for case in comparison.cases for loss in case.stages if loss.output)


def _worst(comparison: Comparison, stage: str, figure: str, choose) -> float | None:
    values = [getattr(loss.output, figure) for loss in _losses(comparison) if loss.stage == stage]
    return choose(values) if values else None


def _not_finite(comparison: Comparison) -> int:
    answers = (case.agreement.logits.not_finite for case in comparison.cases if case.agreement)
    return sum(answers) + sum(loss.output.not_finite for loss in _losses(comparison))
