"""What a baseline keeps of one artifact."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from validation.regression.figures import FIGURES, LATENCY, group_of
from validation.regression.outlines import outline_iou

LARGEST = 1e18  # of a number that is kept: bytes and multiply-adds are far below
SAME_OUTLINE = 0.99  # IoU from which --update leaves a mask as it is: another machine's rounding

Entry = str | int | float | bool | None


@dataclass(frozen=True)
class Record:
    """Everything that is compared, and what explains it.

    Attributes:
        manifest: entry, with dots between levels → value: what an app relies on.
        operators: component → the operators that its runtime needs.
        figures: name in FIGURES → number; without those that were not seen.
        masks: golden case → its mask; see ``outlines``.
        engine: what gave the masks; "" if nothing did.
        calibration: to whose work latencies are ratios; "" without latencies.
        machine: where latencies were measured, in words; "" without latencies.
        files: path below the artifact's folder → SHA-256.
        tools: package → version, of the artifact's maker.
    """

    manifest: Mapping[str, Entry]
    operators: Mapping[str, tuple[str, ...]]
    figures: Mapping[str, float]
    masks: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""
    calibration: str = ""
    machine: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)


def renew(before: Record | None, now: Record) -> Record:
    """The record that follows ``before`` in a baseline.

    What differs by noise only stays as it was, so that a diff shows what changed. Latencies that could
    not be measured now stay as well.
    """
    if before is None:
        return now
    figures = {
        name: _renewed(name, before.figures.get(name), value, before, now)
        for name, value in now.figures.items()
    }
    masks = {
        case: before.masks[case] if _same_mask(before.masks.get(case), mask) else mask
        for case, mask in now.masks.items()
    }
    renewed = replace(now, figures=figures, masks=masks)
    return renewed if now.machine else _with_latencies_of(before, renewed)


def _renewed(name: str, value: float | None, measured: float, before: Record, now: Record) -> float:
    figure = FIGURES[name]
    elsewhere = (before.machine, before.calibration) != (now.machine, now.calibration)
    if value is None or (group_of(name) == LATENCY and elsewhere):
        return measured
    return value if abs(figure.change(value, measured)) <= figure.noise else measured


def _same_mask(before: str | None, now: str) -> bool:
    return before is not None and outline_iou(before, now) >= SAME_OUTLINE


def _with_latencies_of(before: Record, now: Record) -> Record:
    kept = {name: value for name, value in before.figures.items() if group_of(name) == LATENCY}
    return replace(
        now,
        figures=now.figures | kept,
        calibration=before.calibration,
        machine=before.machine,
    )
