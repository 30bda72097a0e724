"""The ``validate cost`` command."""

from pathlib import Path

import click

from reference.common.command_line import print_lines
from validation.artifacts.artifact import load_artifact
from validation.commands.options import JsonOutput, artifacts_argument, json_option


@click.command("cost")
@artifacts_argument
@click.option(
    "--operations", is_flag=True, help="List every operator, how often it occurs and its cost."
)
@json_option("the costs")
def cost(folders: tuple[Path, ...], operations: bool, output: JsonOutput) -> None:
    """Calculate the cost of each ARTIFACT without running it.

    \b
    Examples:
      validate cost artifacts/mobile_sam-coreml-fp16
      validate cost artifacts/* --json cost.json

    An ARTIFACT is a folder that convert wrote. The table shows for each component its multiply-adds,
    its number of operations and its parameters, with their bytes in the file and in memory. It also
    shows the bytes of all activations, the peak of those that are alive at once, and the costliest
    layers, named after the reference's modules. For Core ML it lists operations that are known to leave
    the Neural Engine or to be slow on it. The list is based on what others have published, and does not
    predict what your phone will do.

    Exits with 0, or with 2 and one line on stderr if a folder is incomplete, altered or unreadable.
    Nothing is judged, so it never exits with 1.
    """
    artifacts = [load_artifact(folder) for folder in folders]

    # Imported here so that --help and refusals need not wait for torch.
    from validation.inspection.cost.document import cost_document
    from validation.inspection.cost.measure import measure_cost
    from validation.inspection.cost.table import format_costs

    costs = [measure_cost(artifact) for artifact in artifacts]
    document = cost_document(costs)
    output.write(document)
    if not output.replaces_table:
        print_lines(format_costs(costs, operations))
