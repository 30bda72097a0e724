"""The ``validate cost`` command."""

from pathlib import Path

import click

from reference.command_line import print_json
from reference.output_files import require_writable
from validation.artifact import load_artifact
from validation.json_file import write_json

STDOUT = Path("-")


@click.command("cost")
@click.argument(
    "folders", metavar="ARTIFACT...", type=click.Path(path_type=Path), nargs=-1, required=True
)
@click.option(
    "--operations", is_flag=True, help="List every operator, how often it occurs and what it costs."
)
@click.option(
    "--json",
    "json_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the costs as JSON; with -, on stdout and in place of the table.",
)
def cost(folders: tuple[Path, ...], operations: bool, json_path: Path | None) -> None:
    """Work out what each ARTIFACT, a folder that convert wrote, costs, without running it.

    Per component: multiply-adds, parameters, their bytes in the file and as they are computed with,
    bytes of all activations and the most that lives at once, the number of operations, and the
    costliest layers by the reference's module. For Core ML also which operations are known to leave
    the Neural Engine, or to be slow on it: risks that other people found, not what your phone will
    do.

    \b
    Examples:
      validate cost artifacts/mobile_sam-coreml-fp16
      validate cost artifacts/* --json cost.json
    """
    if json_path not in (None, STDOUT):
        require_writable(json_path)
    artifacts = [load_artifact(folder) for folder in folders]

    # Here: importing torch would slow --help and refusals down.
    from validation.static_cost.document import build_document
    from validation.static_cost.measure import measure_cost
    from validation.static_cost.table import format_costs

    costs = [measure_cost(artifact) for artifact in artifacts]
    document = build_document(costs)
    if json_path == STDOUT:
        print_json(document)
        return
    if json_path is not None:
        write_json(json_path, document)
    click.echo(format_costs(costs, operations))
