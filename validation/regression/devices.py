"""Compares the results of apps on phones with the baseline of the same device and artifact."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from validation.documents.verdicts import FAILED, NOT_PROVEN, NOT_RUN, PASSED
from validation.latency.device_results_schema import DeviceResults
from validation.latency.results import INVALID
from validation.questions.goldens import FEWEST_CASES
from validation.regression.baseline import artifact_key
from validation.regression.figures import DEVICE_FIGURES
from validation.regression.judging import INFORMATION, Line, judge_figure
from validation.regression.latency import Problem
from validation.regression.limits import Limits
from validation.regression.outlines import is_blank_outline
from validation.regression.record import Record

_MEGABYTE = 1e6
_SHOWN_NAMES = 3


@dataclass(frozen=True)
class DeviceRun:
    """A file of results, read."""

    path: Path
    results: DeviceResults


def device_name(results: DeviceResults) -> str:
    """Name a device by all that its times depend on: model, major OS version, compute unit and threads."""
    device, compute = results.device, results.compute
    major = device.os_version.split(".")[0]
    parts = [device.model, f"{device.platform} {major}", compute.unit]
    if compute.threads is not None:
        parts.append("1 thread" if compute.threads == 1 else f"{compute.threads} threads")
    return ", ".join(parts)


def key_of_results(results: DeviceResults) -> str:
    """Return the ``artifact_key`` of the artifact that was measured."""
    artifact = results.artifact
    return artifact_key(artifact.model, artifact.format, artifact.scheme)


def by_device(runs: Sequence[DeviceRun]) -> dict[tuple[str, str], list[DeviceRun]]:
    """Group runs by ``device_name`` and ``artifact_key``, in order."""
    groups: dict[tuple[str, str], list[DeviceRun]] = {}
    for run in runs:
        group = device_name(run.results), key_of_results(run.results)
        groups.setdefault(group, []).append(run)
    return groups


def device_figures(runs: Sequence[DeviceRun]) -> dict[str, float]:
    """Return name in DEVICE_FIGURES → median over the medians of the runs that count.

    The result is empty if no run counts.
    """
    figures: dict[str, list[float]] = {name: [] for name in DEVICE_FIGURES}
    for results in (run.results for run in runs):
        if results.failure is not None or results.disturbance is not None:
            continue
        figures["load"].append(median(results.milliseconds.load))
        for stage, times in results.milliseconds.stages.items():
            figures[stage].append(median(times.steady))
        memory = results.memory
        figures["memory"].append((memory.peak_after - memory.peak_before) / _MEGABYTE)
    return {
        name: DEVICE_FIGURES[name].kept(median(values))
        for name, values in figures.items()
        if values
    }


def judge_device(
    runs: Sequence[DeviceRun],
    artifact: Record | None,
    before: Mapping[str, float] | None,
    limits: Limits,
    update: bool = False,
) -> list[Line]:
    """Judge every quantity of one artifact on one device.

    Args:
        runs: all runs of the artifact on the device.
        artifact: the artifact's record in the baseline; None without a baseline.
        before: the device's figures in the baseline; None if the baseline has none.
        limits: how much worse than the baseline the figures may be.
        update: whether figures that the baseline lacks are to be added to it.
    """
    lines = [] if artifact is None else [_files(runs, artifact)]
    another = any(line.verdict == FAILED for line in lines)
    lines += [_masks(run, artifact) for run in runs]
    lines += _runs(runs)
    figures = device_figures(runs)
    for name, figure in DEVICE_FIGURES.items():
        value, baseline = figures.get(name), (before or {}).get(name)
        limit = getattr(limits, figure.limit)
        if problem := _problem(value, baseline, artifact, another, update):
            verdict, reason = problem.verdict, problem.reason
            lines.append(Line(figure.label, baseline, value, None, limit, verdict, reason, figure))
        elif baseline is None:
            lines.append(Line(figure.label, None, value, "new", None, INFORMATION, None, figure))
        else:
            lines.append(judge_figure(figure, baseline, value, limit))
    return lines


def _problem(
    value: float | None,
    baseline: float | None,
    artifact: Record | None,
    another: bool,
    update: bool,
) -> Problem | None:
    """Return why a figure is not judged; None if it is judged, or is new."""
    if value is None:
        return Problem(INVALID, "no run has usable times")
    if another:
        return Problem(NOT_RUN, "another artifact was measured")
    if artifact is None:
        return Problem(NOT_RUN, "no baseline was named")
    if baseline is None and not update:
        return Problem(
            NOT_RUN, "the baseline has no figures of this device: run with --update to add them"
        )
    return None


def is_unfit(line: Line) -> bool:
    """Return whether a line of ``judge_device`` means that the device's figures must not enter a baseline."""
    return line.verdict in (FAILED, NOT_PROVEN) and line.figure is None


def _files(runs: Sequence[DeviceRun], artifact: Record) -> Line:
    """Judge whether the measured artifact is that of the baseline, file by file."""
    different: dict[str, None] = {}
    for identity in (run.results.artifact for run in runs):
        measured = {name: file.sha256 for name, file in identity.files.items()}
        names = sorted(measured.keys() | artifact.files.keys())
        different |= dict.fromkeys(
            name for name in names if measured.get(name) != artifact.files.get(name)
        )
        if identity.checkpoint_sha256 != artifact.manifest.get("checkpoint.sha256"):
            different["the checkpoint"] = None
    counts = f"{len(artifact.files)} files", f"{len(runs[0].results.artifact.files)} files"
    if not different:
        return Line("artifact", *counts, "same", 0, PASSED)
    return Line(
        "artifact",
        *counts,
        f"{len(different)} differ",
        0,
        FAILED,
        f"these differ from the baseline: {_some(list(different))}; measure the baseline's artifact, or "
        "run 'validate regress --update' first",
    )


def _masks(run: DeviceRun, artifact: Record | None) -> Line:
    """Judge whether every golden case meets its limits. Masks of disturbed runs count as well."""
    results = run.results
    wrong = [f"{case.name} (IoU {min(case.mask_ious):.3f})" for case in results.wrong_cases]
    answered = {case.name for case in results.cases}
    expected = answered if artifact is None else artifact.masks.keys()
    missing = sorted(expected - answered)
    reasons = [
        f"{words}: {_some(names)}"
        for words, names in (("wrong", wrong), ("missing", missing))
        if names
    ]
    verdict = FAILED if reasons or not results.cases else PASSED
    if verdict == PASSED and (nothing := _nothing_proven(run.results, artifact)):
        verdict, reasons = NOT_PROVEN, [nothing]
    passed = len(results.cases) - len(wrong)
    return Line(
        f"masks of {run.path.name}",
        None if artifact is None else f"{len(artifact.masks)} cases",
        f"{passed} of {len(results.cases)} cases",
        None,
        results.limits.min_iou,
        verdict,
        "; ".join(reasons) or None,
    )


def _nothing_proven(results: DeviceResults, artifact: Record | None) -> str | None:
    """Return why passed cases prove nothing; None if they prove something."""
    if results.limits.min_iou == 0:
        return "nothing was proven: the limit is an IoU of 0, which every mask meets"
    if len(results.cases) < FEWEST_CASES:
        return f"nothing was proven by {len(results.cases)} golden case: expected {FEWEST_CASES} or more"
    if (
        artifact is not None
        and artifact.masks
        and all(map(is_blank_outline, artifact.masks.values()))
    ):
        return "nothing was proven: each golden mask is empty or covers the whole photo"
    return None


def _runs(runs: Sequence[DeviceRun]) -> Iterator[Line]:
    """Yield a line with the reason for each run whose times do not count."""
    for run in runs:
        results, quantity = run.results, f"times of {run.path.name}"
        if results.failure is not None:
            yield Line(quantity, None, None, None, None, FAILED, results.failure)
        elif results.disturbance is not None:
            yield Line(quantity, None, None, None, None, INVALID, results.disturbance)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"


def renew_device(before: Mapping[str, float] | None, now: Mapping[str, float]) -> dict[str, float]:
    """Return a device's figures for the next baseline. Figures that differ only by noise stay unchanged."""
    renewed = dict(before or {})
    for name, value in now.items():
        figure, old = DEVICE_FIGURES[name], renewed.get(name)
        if old is None or abs(figure.change(old, value)) > figure.noise:
            renewed[name] = value
    return renewed
