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

    All mutants take about 4 minutes on one core. Exits with 1 if a mutant survived, if another stage
    than expected was blamed, or if an artifact without a mutation failed. Exits with 0 otherwise.
    """
    import torch

    from validation.evidence.mutation.report import PAGE, as_expected, kill_table, unmutated_table
    from validation.evidence.mutation.suite import MUTANTS, Suite, artifacts_of
    from validation.evidence.page import require_page, write_table

    if write:
        require_page(PAGE)
    torch.set_num_threads(1)  # more threads do not make a small model's operators faster
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(Path(folder))
        sound = artifacts_of(MUTANTS)
        held = {pair: suite.run_unmutated(*pair) for pair in sound}
        by_default = {pair: suite.run_unmutated(*pair, default_gates=True) for pair in sound}
        outcomes = {}
        for mutant in MUTANTS:
            outcomes[mutant] = suite.run(mutant)
            click.echo(f"{mutant.name}: {outcomes[mutant].caught_by or 'SURVIVED'}", err=True)
    for table in (kill_table(outcomes), unmutated_table(held, by_default)):
        click.echo(f"\n{table.to_markdown()}\n{table.note}")
        if write:
            write_table(table, "python -m validation.evidence.mutation --write", PAGE)
    as_it_should_be = all(as_expected(*pair) for pair in outcomes.items()) and not any(
        outcome.killed for outcome in held.values()
    )
    return 0 if as_it_should_be else FAILED_STATUS


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(mutation)
