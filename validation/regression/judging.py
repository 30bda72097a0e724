"""Hold what is seen now to what a baseline keeps: line by line, each with its verdict."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from validation.documents.verdicts import FAILED, NOT_PROVEN, NOT_RUN, PASSED
from validation.latency.results import INVALID
from validation.latency.statistics import Interval
from validation.regression.figures import FIGURES, LATENCY, Figure, group_of
from validation.regression.latency import Problem
from validation.regression.limits import Limits
from validation.regression.observation import Observation
from validation.regression.outlines import is_blank_outline, outline_iou
from validation.regression.record import Record

# Verdicts, beside PASSED, FAILED, NOT_PROVEN, NOT_RUN and INVALID: of what got better by more than its limit, which
# passes; and of what is said for information, which has no limit.
BETTER, INFORMATION = "better", "information"
SAME = "same"
# Groups of figures that are seen, or not, as one.
GROUPS = {"masks": "masks", "cost": "static cost", LATENCY: "latency", "memory": "memory"}
_ROUNDING = 1e-9  # of a difference of decimal numbers
_SHOWN_HASH = 12  # characters
_SHOWN_NAMES = 4

Value = float | str | None


@dataclass(frozen=True)
class Line:
    """A quantity, and what became of it.

    Attributes:
        quantity: in words.
        baseline: its value there; None if it has none.
        now: its value now; None if it has none.
        change: from one to the other: a number if both are, a share if the figure's limit is one.
        limit: the largest change, or least value, that passes; None for information.
        verdict: PASSED, BETTER, FAILED, NOT_PROVEN, NOT_RUN, INVALID or INFORMATION.
        reason: more about the verdict, in words.
        figure: how numbers are written; None if they are none.
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
    """Every quantity of an artifact; ``before`` is None if the baseline has none of it."""
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
    """Figures of an artifact that the baseline does not have yet, and why some are missing."""
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
    """One number and its limit.

    Args:
        figure: what it is.
        baseline: the number in the baseline.
        now: the number now.
        limit: how much worse it may be, in the figure's own unit or as a share.
        interval: how sure ``now`` is; None: it is exact.
        max_uncertainty: half the interval's width, as a share of ``now``, above which the line is INVALID.

    With an interval, FAILED and BETTER are said only of what is beyond the limit with all of it; what is so by its
    middle alone and worse is INVALID.
    """
    change = figure.change(baseline, now)
    worse = least = most = figure.worse(change)
    known, too_wide = None, False
    if interval is not None:
        ends = (interval.low, interval.high)
        least, most = sorted(figure.worse(figure.change(baseline, end)) for end in ends)
        share = (interval.high - interval.low) / (2 * now)
        known, too_wide = f"known to ± {share:.0%} only", share > max_uncertainty
    reason = None
    if least > limit + _ROUNDING:
        verdict = FAILED
        reason = f"{known}, all of it beyond the limit" if too_wide else None
    elif too_wide or worse > limit + _ROUNDING:
        verdict, reason = INVALID, f"{known}: measure again on an idle machine"
    else:
        verdict = BETTER if most < -limit - _ROUNDING else PASSED
    return Line(figure.label, baseline, now, change, limit, verdict, reason, figure)


def any_failed(lines: Mapping[str, list[Line]]) -> bool:
    """Whether one line of any artifact failed, or proves nothing where it should."""
    return verdict_of(lines) in (FAILED, NOT_PROVEN)


def verdict_of(lines: Mapping[str, list[Line]]) -> str:
    """FAILED or NOT_PROVEN if a line is; else PASSED if one passed; else NOT_RUN."""
    verdicts = {line.verdict for each in lines.values() for line in each}
    if verdicts & {PASSED, BETTER}:
        verdicts.add(PASSED)
    ranked = (FAILED, NOT_PROVEN, PASSED)
    return next((verdict for verdict in ranked if verdict in verdicts), NOT_RUN)


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
        problem = Problem(NOT_RUN, "the baseline has none: --update adds it")
    elif is_latency and before.calibration != now.record.calibration:
        problem = Problem(
            NOT_RUN,
            f"the baseline's ratio is to '{before.calibration}', not to "
            f"'{now.record.calibration}': --update renews it",
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
    """How far the goldens' masks are from those of the baseline."""
    if not now.masks:
        return
    quantity, limit = "masks, beside the baseline's", limits.min_baseline_iou
    counts = f"{len(before.masks)} cases", f"{len(now.masks)} cases"
    if not before.masks:
        reason = "the baseline has none: --update adds them"
        yield Line(quantity, *counts, None, limit, NOT_RUN, reason)
        return
    # Outlines that are both empty, or both the whole photo, agree without an object.
    ious = [
        outline_iou(before.masks[case], now.masks[case]) if case in now.masks else 0.0
        for case in before.masks
        if not is_blank_outline(before.masks[case]) or before.masks[case] != now.masks.get(case)
    ]
    if not ious:
        reason = "nothing was proven: each mask is empty, or the whole photo, in both"
        yield Line(quantity, *counts, None, limit, NOT_PROVEN, reason)
        return
    iou = fmean(ious)
    verdict = PASSED if iou >= limit else FAILED
    yield Line(quantity, *counts, f"IoU {iou:.3f}", limit, verdict)


def _information(before: Record, now: Record) -> Iterator[Line]:
    """What explains a change, and is no regression by itself."""
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
