"""``python -m validation.evidence.conformance``: run coremltools' own tests on ``mil_runtime``."""

import os
from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import FiniteRange, run
from reference.common.output_files import require_writable
from validation.evidence.page import CHECKOUT, require_page

PAGE = CHECKOUT / "docs" / "evidence" / "conformance.md"
NAMES = ("operators", "torch", "optimize", "tools")


@click.command("conformance")
@click.argument("suites", metavar=f"[{'|'.join(NAMES)}]...", nargs=-1)
@click.option(
    "--logs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("conformance"),
    show_default=True,
    help="Folder for the logs, which have a JSON line per test.",
)
@click.option(
    "--sample", type=FiniteRange(0, 1), default=1.0, help="Share of the tests to run, from 0 to 1."
)
@click.option(
    "--from-logs", is_flag=True, help="Run no tests, and evaluate the logs of the last run."
)
@click.option("--failed", is_flag=True, help="Run only the tests that failed in the last run.")
@click.option(
    "--workers", type=click.IntRange(1), default=os.cpu_count(), help="Number of processes."
)
@click.option("--write", is_flag=True, help="Write the tables into docs/evidence/conformance.md.")
def conformance(
    suites: tuple[str, ...],
    logs: Path,
    sample: float,
    from_logs: bool,
    failed: bool,
    workers: int,
    write: bool,
) -> int:
    """Run coremltools' own tests with mil_runtime instead of Core ML. Without an argument, all suites run.

    \b
    Examples:
      python -m validation.evidence.conformance operators --sample 0.05
      python -m validation.evidence.conformance --write

    All suites take about an hour on 2 cores. Exits with 0 if every failure is listed in
    validation/evidence/conformance/known_failures.json, and with 1 if one is not.
    """
    for name in suites:
        if name not in NAMES:
            raise click.UsageError(f"unknown suite '{name}': expected {', '.join(NAMES)}")
    if write:
        require_page(PAGE)
    chosen = [name for name in NAMES if name in suites or not suites]
    logs.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        require_writable(logs / f"{name}.jsonl")

    from validation.evidence.conformance.report import (
        failure_table,
        operator_table,
        read_known_failures,
        read_log,
        suite_table,
        unexplained,
    )
    from validation.evidence.conformance.suites import SUITES, run_suite, run_tests
    from validation.evidence.page import write_table

    results = {}
    for name in chosen:
        log = (logs / f"{name}.jsonl").resolve()
        if (from_logs or failed) and not log.exists():
            raise click.UsageError(f"{log}: does not exist: run the suite '{name}' first")
        if failed:
            again = [result.test for result in read_log(log) if result.outcome == "failed"]
            if again:
                run_tests(again, log, workers)
        elif not from_logs:
            run_suite(SUITES[name], log, workers, sample)
        results[SUITES[name].title] = read_log(log)
    everything = [result for found in results.values() for result in found]
    known = read_known_failures()
    tables = [suite_table(results), failure_table(everything, known), operator_table(everything)]
    for table in tables:
        if write:
            write_table(table, "make conformance", PAGE)
    click.echo(tables[0].to_markdown())
    unknown = unexplained(everything, known)
    for result in unknown:
        click.echo(f"FAIL: {result.test}: {result.reason}")
    return 1 if unknown or not any(result.counts for result in everything) else 0


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(conformance)
