"""``python -m validation.evidence.numbers``: measure and write the tables of docs/evidence/numbers.md."""

import os
import tempfile
from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import run
from validation.evidence.page import require_page

SECTIONS = (
    "cost",
    "sizes",
    "parity",
    "agreement",
    "trade_off",
    "float16",
    "accuracy",
    "speed",
    "runtime",
)
CORES = 2  # the number of cores on which all figures are measured


@click.command("numbers")
@click.argument("sections", metavar=f"[{'|'.join(SECTIONS)}]...", nargs=-1)
def numbers(sections: tuple[str, ...]) -> None:
    """Measure and write the tables of docs/evidence/numbers.md. Without an argument, all are measured.

    \b
    Examples:
      python -m validation.evidence.numbers
      python -m validation.evidence.numbers cost sizes

    All sections take about two and a half hours on 2 cores, most of it for accuracy. trade_off also draws
    docs/evidence/trade-off.svg. Leave the machine idle while cost, speed and runtime are measured.
    """
    for section in sections:
        if section not in SECTIONS:
            raise click.UsageError(f"unknown section '{section}': expected {', '.join(SECTIONS)}")
    require_page()
    _use_two_cores()
    with tempfile.TemporaryDirectory() as folder:
        _measure([name for name in SECTIONS if name in sections or not sections], Path(folder))


def _use_two_cores() -> None:
    """Pin this process to two cores, before torch is imported. macOS cannot do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def _measure(sections: list[str], folder: Path) -> None:
    from validation.evidence.bench import Bench
    from validation.evidence.numbers.accuracy import measure_accuracy_of_schemes
    from validation.evidence.numbers.agreement import measure_agreement
    from validation.evidence.numbers.conversion import measure_cost, measure_sizes
    from validation.evidence.numbers.float16 import measure_float16
    from validation.evidence.numbers.parity import measure_parity
    from validation.evidence.numbers.runtime import measure_runtime
    from validation.evidence.numbers.speed import measure_speed
    from validation.evidence.numbers.trade_off import measure_trade_off
    from validation.evidence.page import write_table

    measures = (
        measure_cost,
        measure_sizes,
        measure_parity,
        measure_agreement,
        measure_trade_off,
        measure_float16,
        measure_accuracy_of_schemes,
        measure_speed,
        measure_runtime,
    )
    bench = Bench(folder)
    for section, measure in dict(zip(SECTIONS, measures, strict=True)).items():
        if section in sections:
            for table in measure(bench):
                write_table(table, f"python -m validation.evidence.numbers {section}")
                click.echo(f"\n{table.name}\n{table.to_markdown()}")


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(numbers)
