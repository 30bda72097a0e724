"""The figures of sizes and masks, and the tables and points that show them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from converters.size_goal import AUTO
from validation.evidence.numbers.conversion import MEGABYTE
from validation.evidence.numbers.trade_off_plot import AUTOMATIC, BEFORE, FIXED, Point
from validation.evidence.page import MASK_TOOLS, Table

LARGEST_DRAWN = 13 * MEGABYTE  # bytes. Larger files have weights of 16 and 32 bits.
_NONE = "–"


@dataclass(frozen=True)
class Measured:
    """An artifact with its size and its masks.

    Attributes:
        format: the file format.
        scheme: the scheme.
        target: the lowest iOS version that it runs on, or None for ``.ptl`` files.
        max_size: for the scheme ``auto``, the most bytes that it may have.
        size: bytes of both components.
        min_iou: the lowest IoU of all masks.
        min_seen_iou: the lowest IoU of the masks that users see.
        mean_iou: the mean IoU of all masks.
        encoder_sqnr: the lowest SQNR of the image encoder, in dB.
        decoder_sqnr: the lowest SQNR of the mask decoder, in dB.
        masks: the number of masks.
        engine: the engine that drew them.
        verdict: whether the gates of the scheme hold.
    """

    format: str
    scheme: str
    target: str | None
    max_size: int | None
    size: int
    min_iou: float
    min_seen_iou: float
    mean_iou: float
    encoder_sqnr: float
    decoder_sqnr: float
    masks: int
    engine: str | None
    verdict: str

    @property
    def name(self) -> str:
        """The scheme, and the size that it may have."""
        if self.max_size is None:
            return self.scheme
        return f"{self.scheme}, ≤ {self.max_size / MEGABYTE:g} MB"


@dataclass(frozen=True)
class Earlier:
    """An artifact whose weights were rounded to the nearest value. ``size`` is in bytes."""

    format: str
    scheme: str
    size: int
    min_iou: float
    mean_iou: float

    @property
    def name(self) -> str:
        """The scheme."""
        return self.scheme


# Today's code cannot measure these. They are from docs/evidence/numbers.md of this commit, for the same masks.
EARLIER_COMMIT = "17dbaef"
EARLIER = (
    Earlier("coreml", "int8", 10_430_000, 0.8889, 0.9838),
    Earlier("coreml", "int4", 6_060_000, 0.0094, 0.8340),
    Earlier("coreml", "lut8", 10_400_000, 0.9350, 0.9896),
    Earlier("coreml", "lut6", 7_940_000, 0.3077, 0.9520),
    Earlier("coreml", "lut4", 5_500_000, 0.1481, 0.8257),
    Earlier("coreml", "w8a8", 10_510_000, 0.8041, 0.9627),
    Earlier("torchscript", "int8", 12_240_000, 0.9412, 0.9920),
)


# The tables


def tables(found: Sequence[Measured], weights: int) -> list[Table]:
    """Return a table of all artifacts, one of the earlier ones, and one of the best for each size.

    Args:
        found: the artifacts.
        weights: how many weights the model has.
    """
    return [_all_table(found, weights), _earlier_table(weights), _best_table(found)]


def _all_table(found: Sequence[Measured], weights: int) -> Table:
    header = (
        "<format",
        "<scheme",
        "<target",
        "MB",
        "bits per weight",
        "IoU min",
        "IoU min, seen",
        "IoU mean",
        "encoder dB",
        "decoder dB",
        "<gates",
    )
    rows = [
        (
            each.format,
            each.name,
            each.target or _NONE,
            *_size_cells(each, weights),
            *(f"{iou:.4f}" for iou in (each.min_iou, each.min_seen_iou, each.mean_iou)),
            f"{each.encoder_sqnr:.1f}",
            f"{each.decoder_sqnr:.1f}",
            each.verdict,
        )
        for each in found
    ]
    masks = " or ".join(str(count) for count in sorted({each.masks for each in found}))
    engines = ", ".join(dict.fromkeys(each.engine for each in found if each.engine))
    note = f"{masks} masks of each artifact, drawn by {engines}."
    return Table("trade-off", (*MASK_TOOLS, "coremltools"), header, rows, note)


def _earlier_table(weights: int) -> Table:
    header = ("<format", "<scheme", "MB", "bits per weight", "IoU min", "IoU mean")
    rows = [
        (
            each.format,
            each.scheme,
            *_size_cells(each, weights),
            f"{each.min_iou:.4f}",
            f"{each.mean_iou:.4f}",
        )
        for each in EARLIER
    ]
    note = (
        f"The figures were not measured again: they are those of this page at commit {EARLIER_COMMIT}, about the "
        "same masks."
    )
    return Table("trade-off-before", (), header, rows, note)


def _size_cells(each: Measured | Earlier, weights: int) -> tuple[str, str]:
    return f"{each.size / MEGABYTE:.2f}", f"{8 * each.size / weights:.2f}"


def _best_table(found: Sequence[Measured]) -> Table:
    """Return the artifact with the highest mean IoU for each size that ``auto`` was asked for, before and now."""
    before = ("<before", "before: MB", "before: IoU min", "before: IoU mean")
    now = ("<now", "now: MB", "now: IoU min", "now: IoU mean")
    rows = [
        (
            goal.format,
            f"≤ {goal.max_size / MEGABYTE:g}",
            *_best_cells(EARLIER, goal.format, goal.max_size),
            *_best_cells(found, goal.format, goal.max_size),
        )
        for goal in found
        if goal.max_size is not None
    ]
    note = "The best artifact of a size is the one with the highest mean IoU."
    return Table("trade-off-best", MASK_TOOLS, ("<format", "MB", *before, *now), rows, note)


def _best_cells(
    artifacts: Sequence[Measured] | Sequence[Earlier], format_name: str, max_size: int
) -> tuple[str, ...]:
    fitting = [each for each in artifacts if each.format == format_name and each.size <= max_size]
    if not fitting:
        return ("none",) + (_NONE,) * 3
    best = max(fitting, key=lambda each: each.mean_iou)
    figures = f"{best.size / MEGABYTE:.2f}", f"{best.min_iou:.4f}", f"{best.mean_iou:.4f}"
    return best.name, *figures


# The picture


def points(found: Sequence[Measured]) -> Iterator[Point]:
    """Yield a point for each artifact that is not too large for the picture, those of earlier ones first."""
    for each in EARLIER:
        ious = (each.mean_iou, each.min_iou, None)
        yield Point(each.scheme, each.format, BEFORE, each.size / MEGABYTE, ious)
    for each in found:
        if each.size <= LARGEST_DRAWN:
            ious = (each.mean_iou, each.min_iou, each.min_seen_iou)
            kind = AUTOMATIC if each.scheme == AUTO else FIXED
            yield Point(_label(each), each.format, kind, each.size / MEGABYTE, ious)


def _label(each: Measured) -> str:
    if each.target == "iOS18" and each.scheme.startswith("lut"):
        return f"{each.scheme}, iOS 18"
    return each.scheme
