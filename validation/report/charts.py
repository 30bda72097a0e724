"""Computes where the comparison page draws histograms, bars of losses and prompts. Templates only print them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from converters.samples import SampleCase
from validation.comparison.results import Comparison
from validation.report.formatting import fixed, percent

# Finer toward 1, where the masks of sound artifacts are. The last bin holds masks without one different pixel.
IOU_EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
LOGIT_DECADES = range(-6, 3)  # differences of 1e-6…100 logits

# Units of a histogram's drawing.
WIDTH, HEIGHT = 480, 186
BASE = 128  # y of the axis
TALLEST = 104  # height of the tallest bar
SHORTEST = 1.5  # height of the lowest bar, so that a small count is visible
GAP = 3  # on each side of a bar

MOST_COUNTS = 10_000  # histograms of more values show shares, whose texts are shorter
MARK_SHARE = 100  # a prompt's mark is drawn in hundredths of the photo's size


@dataclass(frozen=True)
class Bin:
    """One bar, in the units of its histogram's drawing.

    Attributes:
        label: the range of values that it counts.
        count: number of values in the range.
        share: the same as a share of all values, 0…1.
        caption: the text above the bar; empty if it counts nothing.
        left: x of the bar.
        top: y of the bar.
        width: width of the bar.
        height: height of the bar.
        middle: x of the bar's middle.
        caption_y: y of the caption's base line.
        label_x: x at which the slanted label ends.
    """

    label: str
    count: int
    share: float
    caption: str
    left: float
    top: float
    width: float
    height: float
    middle: float
    caption_y: float
    label_x: float


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

    width = WIDTH
    height = HEIGHT
    base = BASE
    label_y = BASE + 9

    @property
    def total(self) -> int:
        """The number of values."""
        return sum(item.count for item in self.bins)

    @property
    def in_words(self) -> str:
        """Describe every bar that is not empty, for readers who do not see the drawing."""
        counts = [f"{item.label}: {item.count:,} {self.unit}" for item in self.bins if item.count]
        return f"{self.title}: {'; '.join(counts)}"


@dataclass(frozen=True)
class LossBar:
    """A bar for the IoU that one stage loses.

    Attributes:
        stage: name of the stage.
        filled: how much of the bar is filled, in percent.
        value: the loss, as text.
    """

    stage: str
    filled: float
    value: str


@dataclass(frozen=True)
class PointMark:
    """A point of a prompt.

    Attributes:
        x: pixels of the photo.
        y: pixels of the photo.
        is_object: whether the point is on the object, and not on the background.
    """

    x: float
    y: float
    is_object: bool


@dataclass(frozen=True)
class PromptMarks:
    """A prompt, drawn over its photo.

    Attributes:
        width: width of the photo in pixels.
        height: height of the photo in pixels.
        scale: pixels of the photo per unit of a mark, so that marks have one size on the screen.
        box: x, y, width and height in pixels; None if the prompt has no box.
        points: the prompt's points.
        in_words: the whole prompt.
    """

    width: int
    height: int
    scale: float
    box: tuple[float, float, float, float] | None
    points: tuple[PointMark, ...]
    in_words: str


def histograms(comparison: Comparison) -> list[Histogram]:
    """Histograms of mask IoUs, and of logit differences where pictures were kept; none if no case ran."""
    ran = [case for case in comparison.cases if case.agreement]
    if not ran:
        return []
    charts = [_of_ious([iou for case in ran for iou in case.agreement.mask_ious])]
    differences = [case.pictures.logit_difference for case in ran if case.pictures]
    if differences:
        charts.append(_of_logits(np.concatenate([item.ravel() for item in differences])))
    return charts


def loss_bars(losses: Mapping[str, float | None], scale: float) -> list[LossBar]:
    """Return one bar for each stage.

    Args:
        losses: stage → IoU that it loses; None where that is not known.
        scale: the loss that fills a bar.
    """
    return [
        LossBar(
            stage, round(100 * (loss or 0) / scale, 2), "not run" if loss is None else fixed(loss)
        )
        for stage, loss in losses.items()
    ]


def prompt_marks(case: SampleCase, size: tuple[int, int]) -> PromptMarks:
    """Compute where a prompt is drawn.

    Args:
        case: the prompt.
        size: (height, width) of the photo, pixels.
    """
    height, width = size
    box = None
    if case.box is not None:
        x1, y1, x2, y2 = case.box
        box = (x1, y1, x2 - x1, y2 - y1)
    points = [
        PointMark(x, y, label == 1) for (x, y), label in zip(case.points, case.labels, strict=True)
    ]
    # Of the side that limits a picture on the page: the height, or the width of photos wider than 4:3.
    scale = round(max(height, width * 0.75) / MARK_SHARE, 4)
    return PromptMarks(width, height, scale, box, tuple(points), prompt_in_words(case))


def prompt_in_words(case: SampleCase) -> str:
    """A prompt as text: points with their signs, then the box, then the mask that it refines."""
    parts = [
        f"{'+' if label == 1 else '−'} ({x:g}, {y:g})"
        for (x, y), label in zip(case.points, case.labels, strict=True)
    ]
    if case.box is not None:
        x1, y1, x2, y2 = case.box
        parts.append(f"box ({x1:g}, {y1:g}) to ({x2:g}, {y2:g})")
    if case.mask_from:
        parts.append(f"refines mask {case.mask_index} of {case.mask_from}")
    return ", ".join(parts)


def _of_ious(ious: Sequence[float]) -> Histogram:
    values = np.array(ious)
    counts = [
        int(np.count_nonzero((values >= low) & (values < high)))
        for low, high in zip(IOU_EDGES, IOU_EDGES[1:], strict=False)
    ]
    labels = [f"{low:g}–{high:g}" for low, high in zip(IOU_EDGES, IOU_EDGES[1:], strict=False)]
    counts.append(int(np.count_nonzero(values == 1)))
    return _histogram("Mask IoU with the reference", "masks", [*labels, "exactly 1"], counts)


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
    return _histogram("Absolute difference of mask logits", "pixels", labels, counts)


def _histogram(title: str, unit: str, labels: Sequence[str], counts: Sequence[int]) -> Histogram:
    total, highest, step = sum(counts), max(counts) or 1, WIDTH / len(counts)
    bins = []
    for index, (label, count) in enumerate(zip(labels, counts, strict=True)):
        share = count / (total or 1)
        height = max(count / highest * TALLEST, SHORTEST) if count else 0.0
        middle = (index + 0.5) * step
        bins.append(
            Bin(
                label,
                count,
                share,
                _caption(count, share, total),
                left=round(index * step + GAP, 2),
                top=round(BASE - height, 2),
                width=round(step - 2 * GAP, 2),
                height=round(height, 2),
                middle=round(middle, 2),
                caption_y=round(BASE - height - 5, 2),
                label_x=round(middle + 4, 2),
            )
        )
    return Histogram(title, unit, tuple(bins))


def _caption(count: int, share: float, total: int) -> str:
    if count == 0:
        return ""
    if total < MOST_COUNTS:
        return str(count)
    return percent(share, 1) if share >= 0.0005 else "<0.1%"
