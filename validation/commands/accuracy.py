"""The ``validate accuracy`` command."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reference.common.command_line import print_lines, warn
from reference.common.torch_settings import prepare_torch
from reference.options import model_option
from validation.commands.options import (
    JsonOutput,
    exit_status,
    gates_option,
    json_option,
    require_all_option,
)
from validation.engines import engine_names

if TYPE_CHECKING:
    from validation.accuracy.document import Data


@click.command("accuracy")
@click.argument("sources", metavar="ARTIFACT|CHECKPOINT...", nargs=-1, required=True)
@click.option(
    "--dataset",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Measure on this folder of photos with annotations.json in COCO's format, in place of "
    "generated scenes.",
)
@click.option(
    "--scenes",
    metavar="N",
    type=click.IntRange(min=1, max=1_000_000),
    help="Number of generated scenes to measure on. Everybody gets the same scenes. [default: 500]",
)
@gates_option("[coreml.int8] max_miou_lost = 0.01")
@click.option(
    "--checkpoint",
    metavar="PATH|demo|official|seeded",
    help="The weights that the artifacts were converted from; the reference is measured with them. "
    "Not needed if the manifest names demo, official or seeded weights.",
)
@model_option("Model variant of each CHECKPOINT.")
@click.option(
    "--engine",
    "engines",
    type=click.Choice(engine_names()),
    multiple=True,
    help="Run the artifacts with this engine, as in validate compare. Repeatable.",
)
@require_all_option
@json_option()
def accuracy(
    sources: tuple[str, ...],
    dataset: Path | None,
    scenes: int | None,
    gates: Path | None,
    checkpoint: str | None,
    model: str,
    engines: tuple[str, ...],
    require_all: bool,
    output: JsonOutput,
) -> int:
    """Measure each ARTIFACT or CHECKPOINT against true masks.

    \b
    Examples:
      validate accuracy demo artifacts/mobile_sam-coreml-int8
      validate accuracy mobile_sam.pt --dataset photos --json accuracy.json

    An ARTIFACT is a folder that convert wrote. A CHECKPOINT is a .pt or .safetensors file, or demo,
    official or seeded. For each object there are three kinds of prompts: one point, a box, and a point
    followed by three corrective clicks. With one point two masks are counted: the one with the highest
    score, and the best of the three. The table shows mean IoU, overall and by object size, and the
    largest mean IoU that an artifact loses against the reference with the same weights.

    Exits with 0 if every artifact that ran is within its gate, max_miou_lost. Exits with 1 if an artifact
    misses its gate, does not load, crashes or hangs, or is NOT PROVEN because its reference finds no
    object. Exits with 2 for bad input. What this machine cannot measure is reported as NOT RUN, with
    the reason, and exits with 0, or with 1 if --require-all is given. A checkpoint alone has no gate,
    so --require-all needs an artifact.
    """
    if dataset is not None and scenes is not None:
        raise click.UsageError("--scenes and --dataset exclude each other: pass only one of them")

    prepare_torch()

    # Imported here so that --help and refusals need not wait for torch.
    from validation.accuracy.dataset import describe_left_out
    from validation.accuracy.evaluate import evaluate_accuracy

    def warn_of_left_out(data: "Data") -> None:
        if left_out := describe_left_out(data.left_out):
            warn(f"{data.path}: {left_out}")

    result = evaluate_accuracy(
        sources,
        dataset=dataset,
        scenes=scenes,
        gates=gates,
        checkpoint=checkpoint,
        model=model,
        engines=engines,
        on_data=warn_of_left_out,
    )

    from validation.accuracy.table import format_accuracy

    output.write(result.document())
    if output.replaces_table:  # the table says it too
        for name in dict.fromkeys(
            item.checkpoint.name for item in result.evaluations if not item.checkpoint.trained
        ):
            warn(f"the weights '{name}' are untrained: their masks mean nothing")
    else:
        print_lines(format_accuracy(result.evaluations, result.data))
    return exit_status(result.verdict, require_all)
