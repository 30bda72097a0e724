"""The command ``validate compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reference.common.command_line import COMMAND_LINE, FiniteRange, print_lines
from reference.common.torch_settings import prepare_torch
from reference.photos.images import read_image
from reference.weights.checkpoint_source import require_checkpoint
from validation.artifacts.artifact import Artifact, load_artifact
from validation.commands.options import (
    JsonOutput,
    artifacts_argument,
    exit_status,
    gates_option,
    json_option,
    report_option,
    require_all_option,
)
from validation.comparison.quick import require_goldens_only
from validation.engines import engine_names
from validation.gates import read_gates
from validation.questions.prompts_file import read_prompts
from validation.report.folder import COMPARISON, PAGE_FILE, reserved_report

if TYPE_CHECKING:  # this module imports torch, which takes seconds
    from validation.comparison.results import Comparison

LONGEST_ANSWER = 86_400.0  # seconds


@click.command("compare")
@artifacts_argument
@click.option(
    "--images",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Also compare on this photo, with a point and a box in its center. Repeatable.",
)
@click.option(
    "--prompts",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Also compare on the photos and prompts that this JSON file lists, with true masks where "
    "you have them. docs/validation.md has an example.",
)
@gates_option("[coreml.int8] min_iou = 0.9")
@click.option(
    "--checkpoint",
    metavar="PATH|demo|official|seeded",
    help="The weights that the artifacts were converted from; the reference runs with them. Needed "
    "for photos, unless the manifest names demo, official or seeded weights.",
)
@click.option(
    "--engine",
    "engines",
    type=click.Choice(engine_names()),
    multiple=True,
    help="Run the artifacts with this engine. Repeat the option to run them with several. The default for "
    "TorchScript is lite_interpreter. For Core ML it is core_ml on a Mac, and mil_runtime elsewhere.",
)
@click.option(
    "--drift",
    is_flag=True,
    help="Also list the ten operations (Core ML) or modules (TorchScript) whose outputs differ most "
    "from the reference.",
)
@click.option(
    "--time-limit",
    metavar="SECONDS",
    type=FiniteRange(min=0, min_open=True, max=LONGEST_ANSWER),
    default=600.0,
    show_default=True,
    help="Longest time that the engine may take for one answer. Each engine runs in its own process, "
    "so one that hangs or crashes fails its artifact and nothing else.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Ask about the goldens only: seven prompts about two photos, whose reference answers are stored in the "
    "artifact. The reference is not run. This gives a first verdict in seconds, which says so, and proves less.",
)
@click.option(
    "--no-cache",
    is_flag=True,
    help="Ask the reference again. Without this option, its answers of earlier runs are read from the user's cache "
    "folder, or from the one that the environment variable MOBILE_SAM_CACHE names, and new ones are kept there. They "
    "count only for the same weights, photo, prompt, code, libraries and processor, and take at most 1 GiB.",
)
@require_all_option
@report_option("the masks that users see in each case, and a failing mask that they do not see")
@click.option(
    "--latency",
    "latency_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Add a latency page to the report, from the file that validate latency --json wrote.",
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
    quick: bool,
    no_cache: bool,
    require_all: bool,
    report: Path | None,
    latency_file: Path | None,
    output: JsonOutput,
) -> int:
    """Compare the masks of each ARTIFACT with the reference masks.

    \b
    Examples:
      validate compare artifacts/mobile_sam-torchscript-int8
      validate compare artifacts/mobile_sam-torchscript-int8 --quick
      validate compare artifacts/* --report report --json results.json
      validate compare artifacts/* --report report --latency latency.json
      validate compare artifacts/* --checkpoint mobile_sam.pt --images photo.jpg --images cat.png
      validate compare artifacts/* --checkpoint mobile_sam.pt --require-all
      validate compare artifacts/mobile_sam-coreml-fp16 --engine core_ml --engine mil_runtime

    An ARTIFACT is a folder that convert wrote. It is run on two kinds of photos. Its goldens come with
    stored answers of the reference. For all other photos, the reference is run as well. Each row of the
    table is one case: a prompt about a photo. It shows the lowest IoU and boundary IoU of the four
    masks at the photo's own size, and the IoU of the masks that users are shown. It also
    shows the largest difference of a score and of a mask logit. The lines below the table say how much
    each stage of the artifact lost.

    A gate is a limit on the difference from the reference. Exits with 0 if no gate failed. Exits with 1
    if one failed, or if an artifact does not load, crashes or hangs. Exits with 1 too if an artifact is
    NOT PROVEN, because the reference draws no mask or always the same one. Exits with 2 for bad input.

    What this machine cannot run, because it lacks an engine or the weights, is NOT RUN with the reason. The
    verdict is then INCOMPLETE if all the rest passed, and NOT RUN if nothing could be run. Both exit with 0,
    or with 1 if --require-all is given.
    """
    if report is not None:
        click.get_current_context().with_resource(reserved_report(report, COMPARISON))
    elif latency_file is not None:
        raise click.UsageError("--latency adds a page to the report: expected --report DIR as well")
    if quick:
        require_goldens_only(images=images, prompts=prompts, checkpoint=checkpoint, drift=drift)
    artifacts = [load_artifact(folder) for folder in folders]
    _require_inputs(artifacts, checkpoint, images, prompts, gates)
    prepare_torch()

    # Imported here so that --help and refusals need not wait for torch.
    from validation.comparison.compare_artifacts import compare_artifacts
    from validation.comparison.document import comparison_document
    from validation.comparison.table import format_comparison
    from validation.latency.recorded import read_latency

    times = None if latency_file is None else read_latency(latency_file)
    separator: list[str] = []

    def print_result(comparison: "Comparison") -> None:
        if not output.replaces_table:
            print_lines([*separator, *format_comparison(comparison)])
            separator[:] = [""]

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
        cache=not no_cache,
        quick=quick,
        on_result=print_result,
    )
    document = comparison_document(comparisons)
    if report is not None:
        from validation.report import write_report

        command = click.get_current_context().meta[COMMAND_LINE]
        write_report(report, comparisons, command=command, latency=times)
    output.write(document)
    if not output.replaces_table:
        _print_end(comparisons, report)
    return exit_status(document["verdict"], require_all)


def _require_inputs(
    artifacts: Sequence[Artifact],
    checkpoint: str | None,
    images: Sequence[Path],
    prompts: Path | None,
    gates: Path | None,
) -> None:
    """Refuse inputs that cannot be read. ``compare_artifacts`` would do so too, but after the import of torch."""
    if checkpoint is not None:
        for artifact in artifacts:
            require_checkpoint(checkpoint, artifact.variant)
    for image in images:
        read_image(image)
    if prompts is not None:
        read_prompts(prompts)
    read_gates(gates)


def _print_end(comparisons: Sequence["Comparison"], report: Path | None) -> None:
    """Print what follows the tables of all artifacts."""
    from validation.comparison.table import format_overview

    if len(comparisons) > 1:
        print_lines(["", *format_overview(comparisons)])
    if report is not None:
        print_lines([f"report: {report / PAGE_FILE}"])
