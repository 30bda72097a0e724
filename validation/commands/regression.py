"""The commands ``validate regress`` and ``validate ingest``."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reference.common.command_line import print_lines
from validation.commands.options import FAILED_STATUS, JsonOutput, artifacts_argument, json_option

if TYPE_CHECKING:
    from validation.regression.check import RegressionResult


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
    """Check that no ARTIFACT got worse since a committed baseline.

    \b
    Examples:
      validate regress artifacts/* --baseline baseline.json --update
      validate regress artifacts/* --baseline baseline.json
      validate regress artifacts/* --baseline baseline.json --limits limits.toml --json regression.json

    An ARTIFACT is a folder that convert wrote. The command checks the masks of its goldens, its size,
    operators, manifest, static cost, peak memory and latency. Latency is measured on one thread, as a
    ratio to a fixed computation that is timed alternately with it, so that a baseline is valid on other
    machines too. Three launches are timed, and a slowdown fails only if all three show it. This takes
    about 3 minutes for a full-size artifact. One table says what changed, by how much, and whether the
    change is within its limit.

    Exits with 0 if nothing failed, with 1 if something did, and with 2 for bad input. A latency that
    was measured on a disturbed machine is INVALID: it neither passes nor fails. With --update the
    status is 0 even if something got worse. But if an artifact does not load, crashes, hangs or answers
    with NaN, or if its masks prove nothing, the status is 1 and the baseline stays as it is.
    """
    from validation.regression.check import check_regression

    result = check_regression(folders, path, update=update, limits=limits_path)
    return _show(result, update, output)


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
    """Check RESULTS that apps measured on phones, against a baseline.

    \b
    Examples:
      validate ingest device-results.json
      validate ingest phones/*.json --baseline baseline.json
      validate ingest phones/*.json --baseline baseline.json --update

    RESULTS are files that the tests of the sample apps wrote on phones; docs/device-results.md has their
    format. A mask that is wrong on the device fails. Times are compared with
    the baseline's times for the same device model, major version of the system and compute unit, and
    only if the artifact's files are unchanged. A run on a device that was hot or saved power is INVALID
    and left out. The median of the other runs counts. Without a baseline only masks are judged.

    Exits with 0 if nothing failed, with 1 if something did, and with 2 for bad input. With --update the
    status is 0 even if times got worse. But if masks are wrong, or are those of another artifact, the
    status is 1 and the baseline stays as it is.
    """
    if update and path is None:
        raise click.UsageError("--update writes to a baseline: expected --baseline FILE as well")

    from validation.regression.check import check_device_results

    result = check_device_results(files, path, update=update, limits=limits_path)
    return _show(result, update, output)


def _show(result: "RegressionResult", update: bool, output: JsonOutput) -> int:
    """Print the table, write the document, and return the exit status."""
    from validation.regression.table import format_lines, format_verdict

    if not output.replaces_table:
        baseline = "none" if result.baseline is None else str(result.baseline)
        verdict = format_verdict(result.lines, baseline, result.updated)
        print_lines([*format_lines(result.lines), *verdict])
        if result.unwatched:
            notes = ", ".join(result.unwatched)
            print_lines([f"not checked, because this system does not report it: {notes}"])
        if result.updated:
            print_lines([f"{baseline}: written"])
    output.write(result.document())
    if update:
        return 0 if result.updated else FAILED_STATUS
    return FAILED_STATUS if result.failed else 0
