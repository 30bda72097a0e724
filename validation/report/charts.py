"""Histograms of what the cases of one artifact came to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation.comparison.results import Comparison

# Finer toward 1, where masks of sound artifacts are. The last bin holds masks without one different pixel.
IOU_EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
LOGIT_DECADES = range(-6, 3)  # differences of 1e-6…100 logits


@dataclass(frozen=True)
class Bin:
    """One bar.

    Attributes:
        label: of the values that it counts.
        count: how many there are.
        share: of all, 0…1.
        height: share of the highest bar, 0…1.
    """

    label: str
    count: int
    share: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """Bars from the smallest value to the largest.

    Attributes:
        title: what is counted.
        unit: what one count is, in the plural.
        bins: at least one.
    """

    title: str
    unit: str
    bins: tuple[Bin, ...]

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(item.count for item in self.bins)


def histograms(comparison: Comparison) -> list[Histogram]:
    """Of mask IoUs, and of logit differences where pictures were kept; none if no case ran."""
    ran = [case for case in comparison.cases if case.agreement]
    if not ran:
        return []
    charts = [_of_ious([iou for case in ran for iou in case.agreement.mask_ious])]
    differences = [case.pictures.logit_difference for case in ran if case.pictures]
    if differences:
        charts.append(_of_logits(np.concatenate([item.ravel() for item in differences])))
    return charts


def _of_ious(ious: Sequence[float]) -> Histogram:
    values = np.array(ious)
    counts = [
        int(np.count_nonzero((values >= low) & (values < high)))
        for low, high in zip(IOU_EDGES, IOU_EDGES[1:], strict=False)
    ]
    labels = [f"{low:g}–{high:g}" for low, high in zip(IOU_EDGES, IOU_EDGES[1:], strict=False)]
    counts.append(int(np.count_nonzero(values == 1)))
    return Histogram("Mask IoU with the reference", "masks", _bins([*labels, "exactly 1"], counts))


def _of_logits(values: np.ndarray) -> Histogram:
    edges = [0.0, *(10.0**exponent for exponent in LOGIT_DECADES), np.inf]
    finite = values[np.isfinite(values)]
    counts = [
        int(np.count_nonzero((finite >= low) & (finite < high)))
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    names = [
        f"{10.0**exponent:g}" if exponent > -3 else f"1e{exponent}" for exponent in LOGIT_DECADES
    ]
    labels = [
        f"< {names[0]}",
        *map("–".join, zip(names, names[1:], strict=False)),
        f"≥ {names[-1]}",
    ]
    if not_finite := values.size - finite.size:
        labels.append("not finite")
        counts.append(not_finite)
    return Histogram("Absolute difference of mask logits", "pixels", _bins(labels, counts))


def _bins(labels: Sequence[str], counts: Sequence[int]) -> tuple[Bin, ...]:
    total, highest = sum(counts) or 1, max(counts) or 1
    return tuple(
        Bin(label, number, number / total, number / highest)
        for label, number in zip(labels, counts, strict=True)
    )
