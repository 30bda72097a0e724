"""The record that a baseline keeps of one artifact."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from validation.regression.figures import FIGURES, LATENCY, group_of
from validation.regression.outlines import outline_iou

LARGEST = 1e18  # bound of every number in a record; bytes and multiply-adds are far below
# IoU from which --update leaves a mask unchanged, because another machine's rounding differs by as much.
SAME_OUTLINE = 0.99

Entry = str | int | float | bool | None


@dataclass(frozen=True)
class Record:
    """All values of an artifact that are compared, and those that explain a change.

    Attributes:
        manifest: entry, with dots between levels → value, for the entries that an app relies on.
        operators: component → the operators that its runtime needs.
        figures: name in FIGURES → number, for the figures that could be measured.
        masks: golden case → its mask, as a text of ``outlines``.
        engine: the name of the engine that drew the masks; "" without masks.
        calibration: the name of the calibration work that latencies are ratios to; "" without
            latencies.
        machine: the machine that measured latencies, in words; "" without latencies.
        files: path below the artifact's folder → SHA-256.
        tools: package → version, for the packages that made the artifact.
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
    """Return the record that replaces ``before`` in a baseline.

    Values that differ only by noise stay unchanged, so that a diff shows only real changes. Latencies
    that could not be measured now stay as well.
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
