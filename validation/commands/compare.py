"""``validate compare``."""

from pathlib import Path

import click

from converters.output_folder import reserved
from reference.common.command_line import COMMAND_LINE, FiniteRange, print_lines
from validation.artifacts.artifact import load_artifact
from validation.commands.options import (
    FAILED_STATUS,
    JsonOutput,
    artifacts_argument,
    gates_option,
    json_option,
)
from validation.engines import engine_names

LONGEST_ANSWER = 86_400.0  # seconds


@click.command("compare")
@artifacts_argument
@click.option(
    "--images",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A photo to compare on as well, with a point and a box in its middle. Repeatable.",
)
@click.option(
    "--prompts",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A JSON file of more photos, your own prompts about them, and true masks where you have "
    "them; docs/validation.md has an example.",
)
@gates_option("[coreml.int8] min_iou = 0.9")
@click.option(
    "--checkpoint",
    metavar="PATH|demo|official|seeded",
    help="The weights that the artifacts were converted from, to ask the reference with. Needed "
    "for photos, unless they can be had by name.",
)
@click.option(
    "--engine",
    "engines",
    type=click.Choice(engine_names()),
    multiple=True,
    help="What to run the artifacts with; given several times, each in turn. By default the most "
    "authoritative one that is here: for Core ML packages Core ML itself, then mil_runtime.",
)
@click.option(
    "--drift",
    is_flag=True,
    help="Also find the ten operations, or modules, that depart most from the reference.",
)
@click.option(
    "--time-limit",
    metavar="SECONDS",
    type=FiniteRange(min=0, min_open=True, max=LONGEST_ANSWER),
    default=600.0,
    show_default=True,
    help="How long the engine may take for one answer. It runs in a process of its own, so that one "
    "that hangs or crashes fails its artifact and nothing else.",
)
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a page with every case's masks side by side, and the results as JSON, to a new "
    "folder.",
)
@click.option(
    "--latency",
    "latency_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What validate latency --json wrote: the report then has a page of it as well.",
)
@json_option()
def compare(
    folders: tuple[Path, ...],
    images: tuple[Path, ...],
    prompts: Path | None,
    gates: Path | None,
    checkpoint: str | None,
    engines: tuple[str, ...],
    drift: bool,
    time_limit: float,
    report: Path | None,
    latency_file: Path | None,
    output: JsonOutput,
) -> int:
    """Compare the masks of each ARTIFACT, a folder that convert wrote, with the reference's.

    \b
    Examples:
      validate compare artifacts/mobile_sam-torchscript-int8
      validate compare artifacts/* --report report --json results.json
      validate compare artifacts/* --report report --latency latency.json
      validate compare artifacts/* --checkpoint mobile_sam.pt --images photo.jpg --images cat.png
      validate compare artifacts/mobile_sam-coreml-fp16 --engine core_ml --engine mil_runtime

    Each artifact is run on its own goldens, whose reference answers it brings along, and on other
    photos, about which the reference is asked now. Per case the table shows, over all four masks,
    the lowest IoU and boundary IoU at the photo's own size, the IoU of the masks that users are
    shown, and the largest difference of a score and of a mask logit; below it, which stage of the
    artifact lost how much.

    Exit status: 0 if every case that ran holds its gates; 1 if one does not, an artifact cannot be run,
    or it is NOT PROVEN, because the reference itself draws no mask, or always the same; 2 for bad input.
    What cannot be run on this machine is reported as NOT RUN, with the reason, and never as passed; if
    nothing could be run, so is the verdict (in JSON: "not run"), and the status is 0.
    """
    if report is not None:
        click.get_current_context().with_resource(reserved(report, None, "--report"))
    elif latency_file is not None:
        raise click.UsageError("--latency adds a page to the report: expected --report DIR as well")
    artifacts = [load_artifact(folder) for folder in folders]

    # Here: importing torch would slow --help and refusals down.
    from validation.comparison.comparer import compare_artifacts
    from validation.comparison.document import build_document
    from validation.comparison.results import Comparison
    from validation.comparison.table import format_comparison, format_overview
    from validation.documents.verdicts import FAILED, NOT_PROVEN
    from validation.latency.recorded import read_latency

    times = None if latency_file is None else read_latency(latency_file)
    shown: list[Comparison] = []

    def show_result(comparison: Comparison) -> None:
        if not output.replaces_table:
            print_lines([*([""] if shown else []), *format_comparison(comparison)])
        shown.append(comparison)

    comparisons = compare_artifacts(
        artifacts,
        checkpoint=checkpoint,
        images=images,
        prompts=prompts,
        gates=gates,
        engines=engines,
        pictures=report is not None,
        drift=drift,
        time_limit=time_limit,
        on_result=show_result,
    )
    document = build_document(comparisons)
    if report is not None:
        from validation.report import write_report

        command = click.get_current_context().meta[COMMAND_LINE]
        write_report(report, comparisons, document, command, times)
    output.write(document)
    if not output.replaces_table:
        if len(comparisons) > 1:
            print_lines(["", *format_overview(comparisons)])
        if report is not None:
            print_lines([f"report: {report / 'report.html'}"])
    return FAILED_STATUS if document["verdict"] in (FAILED, NOT_PROVEN) else 0
