"""The commands ``validate regress`` and ``validate ingest``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reference.common.command_line import print_lines
from reference.common.output_files import require_writable
from validation.artifacts.artifact import Artifact, load_artifact
from validation.commands.options import FAILED_STATUS, JsonOutput, artifacts_argument, json_option
from validation.regression.errors import BaselineError

if TYPE_CHECKING:
    from validation.regression.baseline import Baseline
    from validation.regression.judging import Line


def _baseline_option(required: bool) -> Callable:
    return click.option(
        "--baseline",
        "path",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        required=required,
        help="Read the baseline from this JSON file, which you keep under version control.",
    )


_update_option = click.option(
    "--update",
    is_flag=True,
    help="Replace the baseline's entries for these artifacts with what is measured now. Other "
    "entries stay.",
)
_limits_option = click.option(
    "--limits",
    "limits_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Replace default limits with those of this TOML file, such as max_slowdown = 0.1.",
)


@click.command("regress")
@artifacts_argument
@_baseline_option(required=True)
@_update_option
@_limits_option
@json_option()
def regress(
    folders: tuple[Path, ...],
    path: Path,
    update: bool,
    limits_path: Path | None,
    output: JsonOutput,
) -> int:
    """Check that no ARTIFACT, a folder that convert wrote, got worse since a committed baseline.

    \b
    Examples:
      validate regress artifacts/* --baseline baseline.json --update
      validate regress artifacts/* --baseline baseline.json
      validate regress artifacts/* --baseline baseline.json --limits limits.toml --json regression.json

    Checked are the masks of its goldens, size, operators, manifest, static cost, peak memory and
    latency. Latency is measured on one thread, as a ratio to a fixed workload that is timed alternately
    with it, so that a baseline is valid on other machines too. Three launches are timed, and a slowdown
    fails only if all three show it. This takes about 7 minutes for a full-size artifact. One table
    says what changed, by how much, and whether the change is within its limit.

    Exits with 0 if nothing failed, with 1 if something did, and with 2 for bad input. A latency that
    was measured on a disturbed machine is INVALID: it neither passes nor fails. With --update the
    status is 0 whatever changed. But if an artifact cannot be run, the status is 1 and the baseline
    stays as it is.
    """
    artifacts = _by_key([load_artifact(folder) for folder in folders])

    # Imported here so that --help and refusals need not wait for torch.
    from validation.regression.baseline import Baseline, read_baseline, require_record
    from validation.regression.limits import read_limits

    limits = read_limits(limits_path)
    if update:
        require_writable(path)
    baseline = Baseline() if update and not path.exists() else read_baseline(path)
    if not update:
        for key in artifacts:
            require_record(baseline, path, key)

    from validation.regression.judging import judge
    from validation.regression.observation import observe
    from validation.regression.record import renew

    observations = {key: observe(artifact) for key, artifact in artifacts.items()}
    lines = {
        key: judge(baseline.artifacts.get(key), observation, limits)
        for key, observation in observations.items()
    }
    failed = any(observation.failed for observation in observations.values())
    renewed = None
    if update and not failed:
        records = {
            key: renew(baseline.artifacts.get(key), observation.record)
            for key, observation in observations.items()
        }
        renewed = replace(baseline, artifacts={**baseline.artifacts, **records})
    unwatched = dict.fromkeys(note for item in observations.values() for note in item.unwatched)
    return _finish(lines, path, update, renewed, output, list(unwatched))


@click.command("ingest")
@click.argument(
    "files", metavar="RESULTS...", type=click.Path(path_type=Path), nargs=-1, required=True
)
@_baseline_option(required=False)
@_update_option
@_limits_option
@json_option()
def ingest(
    files: tuple[Path, ...],
    path: Path | None,
    update: bool,
    limits_path: Path | None,
    output: JsonOutput,
) -> int:
    """Check RESULTS, files in which apps wrote what they measured on phones, against a baseline.

    \b
    Examples:
      validate ingest device-results.json
      validate ingest phones/*.json --baseline baseline.json
      validate ingest phones/*.json --baseline baseline.json --update

    A mask that is wrong on the device fails. Times are compared with the baseline's times for the same
    device model, major version of the system and compute unit, and only if the artifact's files are
    unchanged. A run on a device that was hot or saved power is INVALID and left out. The median of the
    other runs counts. Without a baseline only masks are judged.

    Exits with 0 if nothing failed, with 1 if something did, and with 2 for bad input. With --update
    the status is 0 however times changed. But if masks are wrong, or are another artifact's, the status
    is 1 and the baseline stays as it is.
    """
    if update and path is None:
        raise click.UsageError("--update writes to a baseline: expected --baseline FILE as well")

    # Imported here so that --help and refusals need not wait a second for them.
    from validation.latency.device_results import read_device_results
    from validation.regression.baseline import read_baseline, require_record
    from validation.regression.devices import (
        Run,
        by_device,
        device_figures,
        is_unfit,
        judge_device,
        renew_device,
    )
    from validation.regression.limits import read_limits

    limits = read_limits(limits_path)
    groups = by_device([Run(file, read_device_results(file)) for file in files])
    baseline = None if path is None else read_baseline(path)
    if update:
        require_writable(path)
    lines: dict[str, list[Line]] = {}
    devices = {} if baseline is None else {**baseline.devices}
    for (device, key), runs in groups.items():
        artifact = None if baseline is None else require_record(baseline, path, key)
        before = devices.get(device, {}).get(key)
        lines[f"{key} on {device}"] = judge_device(runs, artifact, before, limits, update)
        if figures := device_figures(runs):
            devices[device] = {**devices.get(device, {}), key: renew_device(before, figures)}
    # Figures may get worse on purpose. Wrong masks, or another artifact's masks, are never a baseline.
    unfit = any(is_unfit(line) for judged in lines.values() for line in judged)
    renewed = replace(baseline, devices=devices) if update and not unfit else None
    return _finish(lines, path, update, renewed, output)


def _by_key(artifacts: Sequence[Artifact]) -> dict[str, Artifact]:
    """The artifacts by their keys in a baseline; BaselineError if two have the same key."""
    from validation.regression.baseline import key_of

    by_key: dict[str, Artifact] = {}
    for artifact in artifacts:
        other = by_key.setdefault(key_of(artifact), artifact)
        if other is not artifact:
            raise BaselineError(
                f"{artifact.folder} and {other.folder} are both '{key_of(artifact)}': expected one "
                "artifact for each model, format and scheme; keep the other in a second baseline"
            )
    return by_key


def _finish(
    lines: "Mapping[str, list[Line]]",
    path: Path | None,
    update: bool,
    renewed: "Baseline | None",
    output: JsonOutput,
    unwatched: Sequence[str] = (),
) -> int:
    """Print the table, write the baseline if ``renewed`` is one, and return the exit status."""
    from validation.regression.baseline import write_baseline
    from validation.regression.document import build_document
    from validation.regression.judging import any_failed
    from validation.regression.table import format_lines, format_verdict

    name = None if path is None else str(path)
    document = build_document(lines, name, updated=renewed is not None)
    if not output.replaces_table:
        print_lines([*format_lines(lines), *format_verdict(lines, name or "none")])
        if unwatched:
            print_lines([f"not watched, since this system does not tell: {', '.join(unwatched)}"])
    if renewed is not None:
        write_baseline(path, renewed)
        if not output.replaces_table:
            print_lines([f"{path}: written"])
    output.write(document)
    if update:
        return 0 if renewed is not None else FAILED_STATUS
    return FAILED_STATUS if any_failed(lines) else 0
