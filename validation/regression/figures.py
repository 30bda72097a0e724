"""The numbers that a baseline keeps: how each is written, rounded and compared."""

from dataclasses import dataclass

from converters.artifact_layout import COMPONENTS

LATENCY = "latency"
_SIGNIFICANT = 3  # digits that are kept of a measurement
_SMALL_MEMORY = 50.0  # MB; smaller amounts vary with the libraries' own buffers


@dataclass(frozen=True)
class Figure:
    """A kind of number, and how it is kept and compared.

    Attributes:
        label: the name that tables show.
        limit: the field of ``Limits`` that bounds its change.
        unit: the unit that follows the number; "" for none.
        decimals: the number of decimals that are kept; None for three significant digits.
        larger_is_worse: whether a larger number is worse; otherwise a smaller one is.
        relative: whether a change is a share of the baseline's number; otherwise it is a difference.
        floor: the smallest denominator of a relative change.
        noise: the largest change, in the limit's unit, at which ``--update`` leaves the baseline's
            number unchanged, so that the diff shows only real changes.
    """

    label: str
    limit: str
    unit: str = ""
    decimals: int | None = 0
    larger_is_worse: bool = True
    relative: bool = False
    floor: float = 0.0
    noise: float = 0.0

    def kept(self, value: float) -> float:
        """Round a number as a baseline keeps it."""
        if self.decimals is None:
            return float(f"{value:.{_SIGNIFICANT}g}")
        return round(value, self.decimals) if self.decimals else int(round(value))

    def change(self, baseline: float, now: float) -> float:
        """Return the change from the baseline's number: a share if ``relative``, otherwise a difference."""
        if not self.relative or now == baseline:
            return now - baseline
        return (now - baseline) / (max(baseline, self.floor) or abs(now))

    def worse(self, change: float) -> float:
        """Return by how much a change makes the number worse; the result is negative for an improvement."""
        return change if self.larger_is_worse else -change

    def text(self, value: float) -> str:
        """Format a number for a table."""
        number = f"{value:,.{self.decimals}f}" if self.decimals is not None else f"{value:g}"
        return f"{number} {self.unit}".rstrip()

    def change_text(self, change: float) -> str:
        """Format a change or a limit for a table."""
        if self.relative:
            return f"{100 * change:+.3g} %"
        return f"{change:+.{self.decimals or 0}f} {self.unit}".rstrip()


def _iou(label: str, limit: str) -> Figure:
    return Figure(label, limit, decimals=3, larger_is_worse=False)


def _sqnr(label: str) -> Figure:
    return Figure(label, "max_sqnr_loss", "dB", larger_is_worse=False)


def _count(label: str, limit: str, unit: str = "") -> Figure:
    return Figure(label, limit, unit, relative=True)


def _ratio(label: str) -> Figure:
    return Figure(label, "max_slowdown", "×", decimals=None, relative=True, noise=0.05)


def _memory(label: str, limit: str) -> Figure:
    return Figure(label, limit, "MB", decimals=None, relative=True, floor=_SMALL_MEMORY, noise=0.05)


def _milliseconds(label: str, limit: str = "max_device_slowdown") -> Figure:
    return Figure(label, limit, "ms", decimals=None, relative=True, noise=0.05)


def _component_figures(component: str) -> dict[str, Figure]:
    words = component.replace("_", " ")
    return {
        f"size.{component}": _count(f"size of {words}", "max_size_growth", "bytes"),
        f"cost.{component}.multiply_adds": _count(
            f"multiply-adds of {words}", "max_multiply_adds_growth"
        ),
        f"cost.{component}.peak_bytes": _count(
            f"peak activations of {words}", "max_peak_growth", "bytes"
        ),
        f"cost.{component}.operations": _count(f"operations of {words}", "max_operations_growth"),
    }


# Name → figure. The part before the first dot is the group, whose figures are measured together.
FIGURES: dict[str, Figure] = {
    "masks.cases_held": Figure(
        "golden cases that pass their gates", "max_cases_lost", larger_is_worse=False
    ),
    "masks.mean_iou": _iou("mask IoU, mean", "max_mean_iou_loss"),
    "masks.lowest_iou": _iou("mask IoU, lowest", "max_lowest_iou_loss"),
    "masks.mean_boundary_iou": _iou("boundary IoU, mean", "max_mean_boundary_iou_loss"),
    "masks.score_difference": Figure(
        "largest score difference", "max_score_difference_rise", decimals=3
    ),
    "masks.embeddings_sqnr": _sqnr("SQNR of embeddings"),
    "masks.logits_sqnr": _sqnr("SQNR of mask logits"),
    **{
        name: figure
        for component in COMPONENTS
        for name, figure in _component_figures(component).items()
    },
    "latency.image_encoder": _ratio("image encoder time ÷ calibration time"),
    "latency.mask_decoder": _ratio("mask decoder time ÷ calibration time"),
    "latency.end_to_end": _ratio("end-to-end time ÷ calibration time"),
    "memory.added": _memory("peak memory above the libraries", "max_memory_growth"),
}

# Name → figure of a device. Times are medians in milliseconds.
DEVICE_FIGURES: dict[str, Figure] = {
    "load": _milliseconds("loading", "max_device_load_slowdown"),
    "image_encoder": _milliseconds("image encoder"),
    "mask_decoder": _milliseconds("mask decoder"),
    "end_to_end": _milliseconds("end to end"),
    "memory": _memory("peak memory above the app", "max_device_memory_growth"),
}


def group_of(name: str) -> str:
    """Return the group of a figure in ``FIGURES``."""
    return name.partition(".")[0]
