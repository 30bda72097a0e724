"""Compares an observation with a baseline. Each quantity gives a line with a verdict."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from validation.documents.verdicts import FAILED, NOT_PROVEN, NOT_RUN, PASSED, overall_verdict
from validation.latency.results import INVALID
from validation.latency.statistics import Interval
from validation.regression.figures import FIGURES, LATENCY, Figure, group_of
from validation.regression.latency import Problem
from validation.regression.limits import Limits
from validation.regression.observation import Observation
from validation.regression.outlines import is_blank_outline, outline_iou
from validation.regression.record import Record

# Two verdicts in addition to PASSED, FAILED, NOT_PROVEN, NOT_RUN and INVALID. BETTER passes: the quantity
# improved by more than its limit. INFORMATION is for quantities without a limit.
BETTER, INFORMATION = "better", "information"
SAME = "same"
# Group → its name in tables. The figures of a group are measured together.
GROUPS = {"masks": "masks", "cost": "static cost", LATENCY: "latency", "memory": "memory"}
_ROUNDING = 1e-9  # tolerance for rounding in a difference of decimal numbers
_SHOWN_HASH = 12  # characters
_SHOWN_NAMES = 4

Value = float | str | None


@dataclass(frozen=True)
class Line:
    """A quantity with its values and verdict.

    Attributes:
        quantity: the quantity's name in tables.
        baseline: the value in the baseline; None if it has none.
        now: the value now; None if there is none.
        change: the change from ``baseline`` to ``now``. It is a number if both are numbers, and a
            share if the figure is relative.
        limit: the largest change, or the smallest value, that passes; None for INFORMATION.
        verdict: PASSED, BETTER, FAILED, NOT_PROVEN, NOT_RUN, INVALID or INFORMATION.
        reason: an explanation of the verdict, in words.
        figure: how the numbers are written; None if the values are not numbers.
    """

    quantity: str
    baseline: Value
    now: Value
    change: Value
    limit: float | None
    verdict: str
    reason: str | None = None
    figure: Figure | None = None


def judge(before: Record | None, now: Observation, limits: Limits) -> list[Line]:
    """Judge every quantity of an artifact.

    Args:
        before: the artifact's record in the baseline; None if the baseline has none.
        now: the observation to judge.
        limits: how much worse than the baseline the artifact may be.
    """
    groups = [
        Line(label, None, None, None, None, problem.verdict, problem.reason)
        for group, label in GROUPS.items()
        if (problem := now.problems.get(group))
    ]
    names = [name for name in FIGURES if group_of(name) not in now.problems]
    record = now.record
    if before is None:
        return [*groups, *_added(names, now)]
    figures = [
        _figure(name, before, now, limits)
        for name in names
        if name in before.figures or name in record.figures or name in now.problems
    ]
    return [
        *_manifest(before, record, limits),
        *_operators(before, record, limits),
        *_masks(before, record, limits),
        *groups,
        *figures,
        *_information(before, record),
    ]


def _added(names: Iterable[str], now: Observation) -> Iterator[Line]:
    """Yield the figures of an artifact that is new to the baseline, and why some are missing."""
    for name in names:
        figure, value = FIGURES[name], now.record.figures.get(name)
        if problem := now.problems.get(name):
            verdict, reason = problem.verdict, problem.reason
            yield Line(figure.label, None, None, None, None, verdict, reason, figure)
        elif value is not None:
            yield Line(figure.label, None, value, "new", None, INFORMATION, None, figure)


def judge_figure(
    figure: Figure,
    baseline: float,
    now: float,
    limit: float,
    interval: Interval | None = None,
    max_uncertainty: float = 0.0,
) -> Line:
    """Judge one number by its limit.

    With an interval, FAILED and BETTER mean that the whole interval is beyond the limit. If only its
    middle is beyond the limit, for the worse, the line is INVALID.

    Args:
        figure: the kind of number.
        baseline: the number in the baseline.
        now: the number now.
        limit: how much worse the number may be, in its own unit or as a share.
        interval: the interval in which ``now`` lies; None if ``now`` is exact.
        max_uncertainty: half the interval's width, as a share of ``now``, above which the line is
            INVALID.
    """
    change = figure.change(baseline, now)
    worse = least = most = figure.worse(change)
    known, too_wide = None, False
    if interval is not None:
        ends = (interval.low, interval.high)
        least, most = sorted(figure.worse(figure.change(baseline, end)) for end in ends)
        share = (interval.high - interval.low) / (2 * now)
        known, too_wide = f"known only to ± {share:.0%}", share > max_uncertainty
    reason = None
    if least > limit + _ROUNDING:
        verdict = FAILED
        reason = f"{known}, but the whole interval is beyond the limit" if too_wide else None
    elif too_wide or worse > limit + _ROUNDING:
        verdict, reason = INVALID, f"{known}: measure again on an idle machine"
    else:
        verdict = BETTER if most < -limit - _ROUNDING else PASSED
    return Line(figure.label, baseline, now, change, limit, verdict, reason, figure)


def any_failed(lines: Mapping[str, list[Line]]) -> bool:
    """Return whether a line of any artifact is FAILED or NOT_PROVEN."""
    return verdict_of(lines) in (FAILED, NOT_PROVEN)


def verdict_of(lines: Mapping[str, list[Line]]) -> str:
    """Return the verdict over the lines that were compared; NOT_RUN if none was."""
    verdicts = [line.verdict for each in lines.values() for line in each]
    return overall_verdict(
        PASSED if verdict == BETTER else verdict for verdict in verdicts if verdict != NOT_RUN
    )


def _figure(name: str, before: Record, now: Observation, limits: Limits) -> Line:
    figure = FIGURES[name]
    baseline, value = before.figures.get(name), now.record.figures.get(name)
    limit = getattr(limits, figure.limit)
    is_latency = group_of(name) == LATENCY
    if is_latency and before.machine != now.record.machine:
        limit = limits.max_slowdown_elsewhere
    if problem := now.problems.get(name):
        pass
    elif value is None:
        problem = Problem(NOT_RUN, "it was not measured")
    elif baseline is None:
        problem = Problem(NOT_RUN, "the baseline has no value: run with --update to add it")
    elif is_latency and before.calibration != now.record.calibration:
        problem = Problem(
            NOT_RUN,
            f"the baseline's ratio is to '{before.calibration}', not to "
            f"'{now.record.calibration}': run with --update to replace it",
        )
    if problem is not None:
        verdict, reason = problem.verdict, problem.reason
        return Line(figure.label, baseline, value, None, limit, verdict, reason, figure)
    return judge_figure(
        figure, baseline, value, limit, now.intervals.get(name), limits.max_uncertainty
    )


def _manifest(before: Record, now: Record, limits: Limits) -> Iterator[Line]:
    names = [*before.manifest, *(name for name in now.manifest if name not in before.manifest)]
    missing = object()
    changed = [
        name
        for name in names
        if before.manifest.get(name, missing) != now.manifest.get(name, missing)
    ]
    limit = limits.max_changed_entries
    verdict = FAILED if len(changed) > limit else PASSED
    change = f"{len(changed)} changed" if changed else SAME
    counts = f"{len(before.manifest)} entries", f"{len(now.manifest)} entries"
    yield Line("manifest", *counts, change, limit, verdict)
    for name in changed:
        values = (
            _shown(name, record.manifest[name]) if name in record.manifest else None
            for record in (before, now)
        )
        yield Line(f"manifest: {name}", *values, "changed", None, verdict)


def _shown(name: str, value: object) -> str:
    return str(value)[:_SHOWN_HASH] + "…" if name.endswith("sha256") else str(value)


def _operators(before: Record, now: Record, limits: Limits) -> Iterator[Line]:
    for component, names in now.operators.items():
        old = before.operators.get(component, ())
        added, removed = (
            sorted(set(one) - set(other)) for one, other in ((names, old), (old, names))
        )
        parts = [
            f"{sign}{_listed(items)}" for sign, items in (("+", added), ("−", removed)) if items
        ]
        verdict = FAILED if len(added) > limits.max_new_operators else PASSED
        yield Line(
            f"operators of {component.replace('_', ' ')}",
            f"{len(old)} kinds",
            f"{len(names)} kinds",
            "; ".join(parts) or SAME,
            limits.max_new_operators,
            verdict,
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"


def _masks(before: Record, now: Record, limits: Limits) -> Iterator[Line]:
    """Judge how well the masks of the golden cases agree with the masks in the baseline."""
    if not now.masks:
        return
    quantity, limit = "masks against baseline masks", limits.min_baseline_iou
    counts = f"{len(before.masks)} cases", f"{len(now.masks)} cases"
    if not before.masks:
        reason = "the baseline has no masks: run with --update to add them"
        yield Line(quantity, *counts, None, limit, NOT_RUN, reason)
        return
    # Two empty outlines, or two of the whole photo, agree without showing an object, so they are left out.
    ious = [
        outline_iou(before.masks[case], now.masks[case]) if case in now.masks else 0.0
        for case in before.masks
        if not is_blank_outline(before.masks[case]) or before.masks[case] != now.masks.get(case)
    ]
    if not ious:
        reason = "nothing was proven: in both, each mask is empty or covers the whole photo"
        yield Line(quantity, *counts, None, limit, NOT_PROVEN, reason)
        return
    iou = fmean(ious)
    verdict = PASSED if iou >= limit else FAILED
    yield Line(quantity, *counts, f"IoU {iou:.3f}", limit, verdict)


def _information(before: Record, now: Record) -> Iterator[Line]:
    """Yield lines that may explain a change, but are not regressions by themselves."""
    names = before.files.keys() | now.files.keys()
    changed = sorted(name for name in names if before.files.get(name) != now.files.get(name))
    if changed:
        counts = f"{len(before.files)} files", f"{len(now.files)} files"
        yield Line("files", *counts, f"{len(changed)} changed", None, INFORMATION)
    for label, old, new in (
        ("engine", before.engine, now.engine),
        ("machine", before.machine, now.machine),
        *(
            (f"made with {tool}", before.tools.get(tool, "none"), now.tools.get(tool, "none"))
            for tool in sorted(before.tools.keys() | now.tools.keys())
        ),
    ):
        if old != new and old and new:
            yield Line(label, old, new, "changed", None, INFORMATION)
