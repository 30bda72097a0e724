"""``python -m validation.evidence.mutation``: run all mutants, and write the tables of their results."""

import tempfile
from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import run
from validation.commands.options import FAILED_STATUS


@click.command("mutation")
@click.option("--write", is_flag=True, help="Write the tables into docs/evidence/mutation.md.")
def mutation(write: bool) -> int:
    """Make every mutant, compare it with the reference, and report what caught it.

    \b
    Examples:
      python -m validation.evidence.mutation
      python -m validation.evidence.mutation --write

    All of it takes about 10 minutes on one core. Exits with 1 if a mutant survived, if another stage than expected was
    blamed, or if an artifact without a mutation failed. Subtle mutants may survive. Exits with 0 otherwise.
    """
    import torch

    from validation.documents.verdicts import PASSED
    from validation.evidence.mutation.fault_bench import FaultBench
    from validation.evidence.mutation.report import (
        PAGE,
        as_expected,
        kill_table,
        smallest_table,
        subtle_table,
        unmutated_table,
    )
    from validation.evidence.mutation.suite import MUTANTS, Suite
    from validation.evidence.mutation.weight_faults import ALL, WEIGHT_FAULTS
    from validation.evidence.page import require_page, write_table

    if write:
        require_page(PAGE)
    torch.set_num_threads(1)  # more threads do not make a small model's operators faster
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(Path(folder))
        sound = {pair: suite.sound(*pair) for pair in ALL}
        outcomes = {}
        for mutant in MUTANTS:
            outcomes[mutant] = suite.run(mutant)
            click.echo(f"{mutant.name}: {outcomes[mutant].caught_by or 'SURVIVED'}", err=True)
        bench, results = FaultBench(suite, Path(folder)), []
        for fault in WEIGHT_FAULTS:
            for pair in fault.artifacts:
                results.append(bench.run(fault, pair))
                click.echo(f"{fault.name}, {' '.join(pair)}: {results[-1].smallest}", err=True)
    tables = (
        kill_table(outcomes),
        unmutated_table(sound),
        subtle_table(results),
        smallest_table(results),
    )
    for table in tables:
        click.echo(f"\n{table.to_markdown()}\n{table.note}")
        if write:
            write_table(table, "python -m validation.evidence.mutation --write", PAGE)
    all_passed = all(comparison.verdict == PASSED for comparison in sound.values())
    all_killed = all(as_expected(*pair) for pair in outcomes.items())
    return 0 if all_passed and all_killed else FAILED_STATUS


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(mutation)
