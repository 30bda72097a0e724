"""Counts of the instructions that an emulated processor executes.

The time an emulator takes predicts nothing, so instructions are counted instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from validation.documents.text_table import aligned

_COLUMNS = ("artifact", "stage", "first", "median", "spread", "runs", "× first artifact")
_TEXT_COLUMNS = 2


@dataclass(frozen=True)
class StageCounts:
    """The instructions that a stage executed in its first run, and in each later run."""

    first: int
    later: tuple[int, ...]

    @property
    def median(self) -> int:
        """The median count of the later runs."""
        return round(median(self.later))

    @property
    def spread(self) -> float:
        """The range of the later runs' counts, relative to their median."""
        return (max(self.later) - min(self.later)) / self.median


Counts = Mapping[str, StageCounts]  # stage → counts


def format_counts(names: Sequence[str], counts: Sequence[Counts]) -> list[str]:
    """Return the lines of a table with a row per artifact and stage; ratios are to the first artifact."""
    rows = [
        _row(name, stage, each[stage], counts[0])
        for name, each in zip(names, counts, strict=True)
        for stage in each
    ]
    if not rows:
        return []
    lines = [line.rstrip() for line in aligned([_COLUMNS, *rows], _TEXT_COLUMNS)]
    return [*lines, "  millions of emulated instructions; they do not predict a time"]


def counts_record(counts: Counts, to: Counts) -> dict:
    """Return the record for the JSON document; ratios are to ``to``, the first artifact's counts."""
    return {
        stage: {
            "first": each.first,
            "later": list(each.later),
            "median": each.median,
            "ratio_to_first": None if counts is to else _ratio(each, to.get(stage)),
        }
        for stage, each in counts.items()
    }


def _row(name: str, stage: str, each: StageCounts, to: Counts) -> tuple[str, ...]:
    ratio = None if to.get(stage) is each else _ratio(each, to.get(stage))
    return (
        name,
        stage.replace("_", " "),
        _millions(each.first),
        _millions(each.median),
        f"{100 * each.spread:.3f} %",
        str(len(each.later)),
        "-" if ratio is None else f"{ratio:.3f}",
    )


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"


def _ratio(each: StageCounts, to: StageCounts | None) -> float | None:
    return None if to is None else each.median / to.median
