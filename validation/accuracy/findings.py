"""What is found while a dataset is read: all of it is told at once, not one entry a run."""

from collections import Counter
from collections.abc import Mapping

_SHOWN = 5  # problems that a message repeats


class Findings:
    """Problems, which end the reading, and what was left out, which does not."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._left_out: Counter[str] = Counter()

    def problem(self, place: str, what: str) -> None:
        """Note an entry that cannot be understood."""
        self._problems.append(f"{place}: {what}")

    def leave_out(self, kind: str, count: int = 1) -> None:
        """Note entries that say nothing to be measured, such as "annotations without a mask"."""
        if count:
            self._left_out[kind] += count

    @property
    def left_out(self) -> Mapping[str, int]:
        """Kind of entry → how many were left out."""
        return dict(self._left_out)

    def summary(self) -> str | None:
        """The problems in one line: the first ones, and how many more there are. None if there are none."""
        if not self._problems:
            return None
        more = len(self._problems) - _SHOWN
        shown = "; ".join(self._problems[:_SHOWN])
        count = f"{len(self._problems)} problems: " if len(self._problems) > 1 else ""
        return f"{count}{shown}{f'; and {more} more' if more > 0 else ''}"
