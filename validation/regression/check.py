"""Checks artifacts, and what apps measured on phones, against a committed baseline.

These are the functions behind ``validate regress`` and ``validate ingest``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reference.common.one_or_more import one_or_more
from reference.common.output_files import require_writable
from validation.artifacts.artifact import Artifact, load_artifact
from validation.latency.device_results import read_device_results
from validation.regression.baseline import (
    Baseline,
    key_of,
    read_baseline,
    require_record,
    write_baseline,
)
from validation.regression.errors import BaselineError
from validation.regression.limits import read_limits

if TYPE_CHECKING:  # it imports torch, which refusals need not wait for
    from validation.regression.judging import Line


@dataclass(frozen=True)
class RegressionResult:
    """The changes since a baseline, and whether they are within the limits.

    Attributes:
        lines: the artifact's name → one line for each quantity.
        baseline: the baseline's path; None if there is none.
        updated: whether the baseline was written.
        unwatched: the disturbances that this system does not report.
    """

    lines: "Mapping[str, list[Line]]"
    baseline: Path | None
    updated: bool
    unwatched: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether a quantity is outside its limit."""
        from validation.regression.judging import any_failed

        return any_failed(self.lines)

    def document(self) -> dict:
        """Return the result as the commands' ``--json`` writes it."""
        from validation.regression.document import build_document

        name = None if self.baseline is None else str(self.baseline)
        return build_document(self.lines, name, self.updated, self.unwatched)


def check_regression(
    artifacts: Artifact | str | Path | Sequence[Artifact | str | Path],
    baseline: str | Path,
    *,
    update: bool = False,
    limits: str | Path | None = None,
) -> RegressionResult:
    """Compare artifacts with a committed baseline, as ``validate regress`` does.

    Example:
        >>> result = check_regression("artifacts/mobile_sam-coreml-int8", "baseline.json")
        >>> result.failed
        False

    Args:
        artifacts: one or more folders that ``convert`` wrote.
        baseline: the path of the baseline, a JSON file.
        update: whether to write what is measured now to the baseline. It is not written if an artifact
            does not load, crashes, hangs or answers with NaN, or if its masks prove nothing. Other
            entries of the baseline stay.
        limits: a TOML file with limits that replace defaults.

    Returns:
        The result. ``failed`` says whether a quantity is outside its limit. ``lines`` has one line for
        each quantity of each artifact. ``document()`` is what ``validate regress --json`` writes.

    Raises:
        ArtifactError: a folder is incomplete or was altered.
        BaselineError: the baseline cannot be read, or has no entry for an artifact; or two artifacts
            have the same model, format and scheme.
        LimitsError: the file of limits cannot be read.
        OutputError: the baseline cannot be written.
    """
    path = Path(baseline)
    loaded = _by_key([load_artifact(artifact) for artifact in one_or_more(artifacts)])
    chosen_limits = read_limits(None if limits is None else Path(limits))
    if update:
        require_writable(path)
    before = Baseline() if update and not path.exists() else read_baseline(path)
    if not update:
        for key in loaded:
            require_record(before, path, key)

    # Imported here so that refusals need not wait for torch.
    from validation.regression.judging import judge
    from validation.regression.observation import observe
    from validation.regression.record import renew

    observations = {key: observe(artifact) for key, artifact in loaded.items()}
    lines = {
        key: judge(before.artifacts.get(key), observation, chosen_limits)
        for key, observation in observations.items()
    }
    updated = update and not any(observation.failed for observation in observations.values())
    if updated:
        records = {
            key: renew(before.artifacts.get(key), observation.record)
            for key, observation in observations.items()
        }
        write_baseline(path, replace(before, artifacts={**before.artifacts, **records}))
    notes = dict.fromkeys(note for item in observations.values() for note in item.unwatched)
    return RegressionResult(lines, path, updated, tuple(notes))


def check_device_results(
    files: str | Path | Sequence[str | Path],
    baseline: str | Path | None = None,
    *,
    update: bool = False,
    limits: str | Path | None = None,
) -> RegressionResult:
    """Judge what apps measured on phones, as ``validate ingest`` does.

    Example:
        >>> result = check_device_results("device-results.json", "baseline.json")
        >>> result.failed
        False

    Args:
        files: one or more JSON files that the tests of the sample apps wrote; docs/device-results.md has their format.
        baseline: the path of the baseline, a JSON file. Without one only masks are judged.
        update: whether to write the devices' times to the baseline. It is not written if masks are wrong
            or belong to another artifact.
        limits: a TOML file with limits that replace defaults.

    Returns:
        The result. ``failed`` says whether a quantity is outside its limit. ``lines`` has one line for
        each quantity of each artifact on each device. ``document()`` is what ``validate ingest --json``
        writes.

    Raises:
        BaselineError: the baseline cannot be read, has no entry for an artifact, or is None though
            ``update`` is set.
        LimitsError: the file of limits cannot be read.
        MobileSAMError: a file of results cannot be read.
        OutputError: the baseline cannot be written.
    """
    if update and baseline is None:
        raise BaselineError("--update writes to a baseline: expected --baseline FILE as well")
    path = None if baseline is None else Path(baseline)
    chosen_limits = read_limits(None if limits is None else Path(limits))
    results = [(Path(file), read_device_results(Path(file))) for file in one_or_more(files)]
    before = None if path is None else read_baseline(path)
    if update and path is not None:
        require_writable(path)

    # Imported here so that refusals need not wait for torch.
    from validation.regression.devices import (
        DeviceRun,
        by_device,
        device_figures,
        is_unfit,
        judge_device,
        renew_device,
    )

    groups = by_device([DeviceRun(file, result) for file, result in results])
    lines: dict[str, list[Line]] = {}
    devices = {} if before is None else {**before.devices}
    for (device, key), runs in groups.items():
        artifact = None if before is None or path is None else require_record(before, path, key)
        figures_before = devices.get(device, {}).get(key)
        lines[f"{key} on {device}"] = judge_device(
            runs, artifact, figures_before, chosen_limits, update
        )
        if figures := device_figures(runs):
            renewed = renew_device(figures_before, figures)
            devices[device] = {**devices.get(device, {}), key: renewed}
    # Times may get worse on purpose. Wrong masks, or those of another artifact, never enter a baseline.
    updated = update and not any(is_unfit(line) for each in lines.values() for line in each)
    if updated and before is not None and path is not None:
        write_baseline(path, replace(before, devices=devices))
    return RegressionResult(lines, path, updated)


def _by_key(artifacts: Sequence[Artifact]) -> dict[str, Artifact]:
    """Artifacts by what a baseline calls them; two of the same name are refused."""
    found: dict[str, Artifact] = {}
    for artifact in artifacts:
        other = found.setdefault(key_of(artifact), artifact)
        if other is not artifact:
            raise BaselineError(
                f"{artifact.folder} and {other.folder} are both '{key_of(artifact)}': expected one "
                "artifact for each model, format and scheme; keep the other in a second baseline"
            )
    return found
