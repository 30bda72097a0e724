"""What a search tells while it works. The module imports nothing heavy."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TradeOff:
    """A size, and the agreement of masks that it buys on the calibration photos.

    Attributes:
        format_name: the file format.
        size: bytes of both files.
        min_iou: the lowest IoU with the reference of a mask that users are shown.
        mean_iou: the mean of these IoUs.
    """

    format_name: str
    size: int
    min_iou: float
    mean_iou: float


OnTradeOff = Callable[[TradeOff], None]
