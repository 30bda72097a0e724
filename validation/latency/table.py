"""Formats results as tables for a terminal."""

from collections.abc import Sequence

from validation.documents.text_table import aligned
from validation.documents.verdicts import FAILED, NOT_RUN
from validation.latency.core_ml_plan.placement import format_placement
from validation.latency.device_results_schema import DeviceResults
from validation.latency.instructions import format_counts
from validation.latency.results import INVALID, MEASURED, Measurement, TargetResult
from validation.latency.statistics import Interval, Ratio

_WORDS = {MEASURED: "", INVALID: "INVALID", NOT_RUN: "NOT RUN", FAILED: "FAILED"}
DISTURBED = "!"  # marks a single time that something disturbed, and that cannot be repeated
_HINT = "INVALID rows have no figures. Measure again on an idle, cool machine at full power."
_COLUMNS = (
    "artifact",
    "stage",
    "first",
    "min",
    "median",
    "95 % interval",
    "p90",
    "p99",
    "mean",
    "runs",
    "× first artifact",
)
_TEXT_COLUMNS = 2


def format_result(result: TargetResult) -> list[str]:
    """Return a target's title, a row per artifact and stage, and a line per artifact with the rest."""
    title = f"{result.target}: {result.description}"
    if result.missing is not None:
        return [title, f"{_WORDS[NOT_RUN]}: {result.missing}"]
    rows = [_row(result, item, stage) for item in result.measurements for stage in item.stages]
    lines = [title]
    if rows:
        lines += [line.rstrip() for line in aligned([_COLUMNS, *rows], _TEXT_COLUMNS)]
        lines.append(f"  times in milliseconds; {DISTURBED} marks a disturbed time")
    lines += format_counts(
        [item.artifact.name for item in result.measurements],
        [item.counts for item in result.measurements],
    )
    lines += [line for item in result.measurements for line in _lines(item)]
    if any(item.status == INVALID for item in result.measurements):
        lines.append(_HINT)
    if result.unwatched:
        lines.append(
            f"not checked, because this system does not report it: {', '.join(result.unwatched)}"
        )
    return lines


def _row(result: TargetResult, item: Measurement, stage: str) -> tuple[str, ...]:
    times = item.stages[stage]
    summary = times.summary
    first = "-" if times.first is None else _milliseconds(times.first.seconds[0])
    if times.first is not None and times.first.disturbance is not None:
        first += DISTURBED
    names = item.artifact.name, stage.replace("_", " "), first
    if summary is None:
        return *names, *("-",) * (len(_COLUMNS) - len(names))
    return (
        *names,
        _milliseconds(summary.min),
        _milliseconds(summary.median),
        _interval(summary.median_interval),
        _milliseconds(summary.p90),
        _milliseconds(summary.p99),
        _milliseconds(summary.mean),
        str(summary.runs),
        _ratio(result.ratio(item, stage)),
    )


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"


def _interval(interval: Interval) -> str:
    return f"{_milliseconds(interval.low)} – {_milliseconds(interval.high)}"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio.median:.2f} ({ratio.interval.low:.2f} – {ratio.interval.high:.2f})"


def _lines(item: Measurement) -> Sequence[str]:
    """Return lines with the engine, loading and memory, and with the reasons for missing figures."""
    name, parts = item.artifact.name, []
    if item.load is not None:
        files = "cold files" if item.load.warm is None else f"warm files: {item.load.warm}"
        mark = "" if item.load_disturbance is None else DISTURBED
        loaded = f"loaded in {_milliseconds(item.load.seconds)} ms{mark} ({files})"
        parts += [item.load.engine, loaded]
    if item.load is not None and item.memory is not None:
        libraries, peak = item.memory
        parts.append(
            f"peak memory {(peak - libraries) / 1e6:.0f} MB above the libraries' "
            f"{libraries / 1e6:.0f} MB"
        )
    if item.phone is not None:
        parts.append(_cases(item.phone))
    if item.note is not None:
        parts.append(item.note)
    lines = [f"{name}: {'; '.join(parts)}"] if parts else []
    for component, placement in item.placement.items():
        lines += [f"{name}: {line}" for line in format_placement(component, placement)]
    return lines + [f"{name}: {_WORDS[item.status]}: {reason}" for reason in item.reasons]


def _cases(results: DeviceResults) -> str:
    """Summarize the golden cases that ran on a phone."""
    lowest = [min(case.mask_ious) for case in results.cases]
    if not lowest:
        return "no golden case was run"
    right = len(lowest) - len(results.wrong_cases)
    return f"{right} of {len(lowest)} golden cases passed, lowest mask IoU {min(lowest):.4f}"
