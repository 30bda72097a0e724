"""Finding the smallest weights that keep the masks, or the best ones of a size."""

from converters.mixed_precision.allocation import Allocation
from converters.mixed_precision.examination import Grade
from converters.mixed_precision.measured_formats import MeasuredFormats
from converters.mixed_precision.trade_off import OnTradeOff, TradeOff
from reference.common.progress import OnStep

_USUAL_REST = 800_000  # bytes
_TOLERANCE = 0.01  # of a size, with which a search is content


# Other sizes that are tried for comparison, relative to the one that was asked for.
_OTHER_SIZES = (0.8, 0.9, 1.15)


class MixedPrecisionSearch:
    """The search for a format of each large layer.

    Attributes:
        rest: bytes that the files have besides the weights. The caller sets it once it has written files.
    """

    def __init__(
        self,
        measured: MeasuredFormats,
        format_name: str,
        on_step: OnStep,
        on_trade_off: OnTradeOff,
    ) -> None:
        """Take what was measured, or will be.

        Args:
            measured: what the formats cost. Several searches can share it.
            format_name: the file format, for ``on_trade_off``.
            on_step: called with the name of each step when it begins.
            on_trade_off: called with each allocation that was tried.
        """
        self._measured, self._format_name = measured, format_name
        self._on_step, self._on_trade_off = on_step, on_trade_off
        self._grades: dict[int, Grade] = {}
        self.rest = _USUAL_REST

    def best_within(self, size: int) -> Allocation:
        """Return the best allocation whose files have at most ``size`` bytes, or else the smallest one."""
        return self._try(self._last_within(size - self.rest))

    def compare_sizes_around(self, size: int) -> None:
        """Try allocations of some other sizes, so that users see what a size buys."""
        for factor in _OTHER_SIZES:
            self.best_within(int(factor * size))

    def smallest_with(self, min_iou: float) -> Allocation:
        """Return the smallest allocation that keeps this IoU of each shown mask.

        It is found by bisection, as if a larger allocation always had better masks. The largest one has the weights of
        the reference, so it keeps any IoU.
        """
        lowest, highest = 0, len(self._allocations) - 1
        while self._size(highest) - self._size(lowest) > _TOLERANCE * self._size(lowest):
            middle = self._last_within((self._size(lowest) + self._size(highest)) // 2)
            if middle == lowest:
                break
            self._try(middle)
            if self._grades[middle].min_iou >= min_iou:
                highest = middle
            else:
                lowest = middle
        return self._try(highest)

    def _size(self, index: int) -> int:
        return self._allocations[index].size

    def _last_within(self, size: int) -> int:
        fitting = [index for index, found in enumerate(self._allocations) if found.size <= size]
        return fitting[-1] if fitting else 0

    def _try(self, index: int) -> Allocation:
        """Grade an allocation, unless this search did so before, and return it."""
        allocation = self._allocations[index]
        if index not in self._grades:
            grade = self._grades[index] = self._measured.grade(index, self._on_step)
            size = allocation.size + self.rest
            self._on_trade_off(TradeOff(self._format_name, size, grade.min_iou, grade.mean_iou))
        return allocation

    @property
    def _allocations(self) -> list[Allocation]:
        return self._measured.allocations(self._on_step)
