"""The ``validate cost`` command."""

from pathlib import Path

import click

from reference.common.command_line import print_lines
from validation.artifacts.artifact import load_artifact
from validation.commands.options import JsonOutput, artifacts_argument, json_option


@click.command("cost")
@artifacts_argument
@click.option(
    "--operations", is_flag=True, help="List every operator, how often it occurs and what it costs."
)
@json_option("the costs")
def cost(folders: tuple[Path, ...], operations: bool, output: JsonOutput) -> None:
    """Work out what each ARTIFACT, a folder that convert wrote, costs, without running it.

    \b
    Examples:
      validate cost artifacts/mobile_sam-coreml-fp16
      validate cost artifacts/* --json cost.json

    Per component: multiply-adds, parameters, their bytes in the file and as they are computed with,
    bytes of all activations and the most that lives at once, the number of operations, and the
    costliest layers by the reference's module. For Core ML also which operations are known to leave
    the Neural Engine, or to be slow on it: risks that other people found, not what your phone will
    do.
    """
    artifacts = [load_artifact(folder) for folder in folders]

    # Here: importing torch would slow --help and refusals down.
    from validation.inspection.cost.document import build_document
    from validation.inspection.cost.measure import measure_cost
    from validation.inspection.cost.table import format_costs

    costs = [measure_cost(artifact) for artifact in artifacts]
    document = build_document(costs)
    output.write(document)
    if not output.replaces_table:
        print_lines(format_costs(costs, operations))
