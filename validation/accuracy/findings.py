"""Collects the problems of a dataset while it is read, so that one run reports all of them."""

from collections import Counter
from collections.abc import Mapping

_SHOWN = 5  # problems that a message lists


class Findings:
    """Problems, which make a dataset unusable, and entries that are left out, which do not."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._left_out: Counter[str] = Counter()

    def problem(self, place: str, what: str) -> None:
        """Note an entry that is wrong."""
        self._problems.append(f"{place}: {what}")

    def leave_out(self, kind: str, count: int = 1) -> None:
        """Note entries that have no mask to measure, such as "annotations without a mask"."""
        if count:
            self._left_out[kind] += count

    @property
    def left_out(self) -> Mapping[str, int]:
        """Kind of entry → the number of entries that were left out."""
        return dict(self._left_out)

    def summary(self) -> str | None:
        """Return one line with the first problems and the number of the rest; None without problems."""
        if not self._problems:
            return None
        more = len(self._problems) - _SHOWN
        shown = "; ".join(self._problems[:_SHOWN])
        count = f"{len(self._problems)} problems: " if len(self._problems) > 1 else ""
        return f"{count}{shown}{f'; and {more} more' if more > 0 else ''}"
