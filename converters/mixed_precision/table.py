"""Showing on stderr what sizes and masks a search has tried, as a table with bars."""

import sys

from tqdm import tqdm

from converters.mixed_precision.trade_off import TradeOff

_BAR = 0.005  # lost IoU for each character of a bar
_LONGEST_BAR = 40


class TradeOffTable:
    """Prints a row for each trade-off, and a header above the first one."""

    def __init__(self) -> None:
        """Start without rows."""
        self._is_empty = True

    def show(self, trade_off: TradeOff) -> None:
        """Print a row. A progress bar stays below it."""
        if self._is_empty:
            self._print(
                "tried         size  lowest IoU  mean IoU  lost at the lowest IoU, on the calibration photos"
            )
        self._is_empty = False
        lost = 1 - trade_off.min_iou
        bar = "█" * min(_LONGEST_BAR, round(lost / _BAR))
        self._print(
            f"{trade_off.format_name:11}  {trade_off.size / 1e6:4.1f} MB  {trade_off.min_iou:10.4f}"
            f"  {trade_off.mean_iou:8.4f}  {bar}"
        )

    def _print(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr)
