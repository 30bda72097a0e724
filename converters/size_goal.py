"""What the scheme ``auto`` aims at: a size, or an agreement of masks. The module imports nothing heavy."""

import re

from reference.common.errors import ConversionError
from reference.common.plain_text import quote

AUTO = "auto"

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?MB")


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``"7MB"``. 1 MB is 10⁶ bytes.

    Raises:
        ConversionError: it is no size.
    """
    found = _SIZE.fullmatch(text)
    if not found or float(found[1]) == 0:
        raise ConversionError(
            f"size {quote(text)}: expected a number of MB above 0, such as 7MB or 6.5MB"
        )
    return round(float(found[1]) * 1e6)


def require_goal(scheme: str, max_size: int | None, min_iou: float | None) -> None:
    """Raise ConversionError unless the scheme has what it aims at: ``auto`` one of the two, and all others none."""
    goals = [
        name for name, goal in (("max_size", max_size), ("min_iou", min_iou)) if goal is not None
    ]
    if scheme != AUTO and goals:
        raise ConversionError(
            f"{goals[0]} with the scheme '{scheme}': expected the scheme '{AUTO}', or no {goals[0]}"
        )
    if scheme == AUTO and len(goals) != 1:
        raise ConversionError(
            f"the scheme '{AUTO}' with {' and '.join(goals) or 'no goal'}: expected one of max_size, such as 7MB, and "
            "min_iou, such as 0.97"
        )
    if min_iou is not None and not 0 < min_iou < 1:
        raise ConversionError(
            f"min_iou {min_iou:g}: expected more than 0 and less than 1, such as 0.97"
        )
