"""``python -m validation.evidence.peers``: other ways to run the same weights, side by side with ours."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import run
from reference.common.output_files import require_writable
from reference.photos.images import read_image
from validation.artifacts.artifact import Artifact, load_artifact
from validation.commands.options import FAILED_STATUS, JsonOutput, json_option
from validation.evidence.page import require_page
from validation.evidence.peers.installation import default_folder, prepare, variables


@click.command("peers")
@click.argument("folders", metavar="[ARTIFACT]...", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--checkpoint",
    metavar="PATH|demo|official|seeded",
    default="demo",
    show_default=True,
    help="The weights that all programs use.",
)
@click.option(
    "--image",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Ask about this photo, with a point and a box in its middle. [default: a photo of 512×512]",
)
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1, max=1024),
    help="Number of threads that compute. [default: one for each core]",
)
@click.option(
    "--environment",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Install the other programs in this folder, once. [default: in the user's cache]",
)
@click.option("--check", is_flag=True, help="Compare masks and file sizes only, without times.")
@click.option(
    "--write",
    is_flag=True,
    help="Write the results into docs/evidence/peers.md, and draw docs/evidence/peers.svg.",
)
@json_option("the results, with every single time,")
def peers(
    folders: tuple[Path, ...],
    checkpoint: str,
    image: Path | None,
    threads: int | None,
    environment: Path | None,
    check: bool,
    write: bool,
    output: JsonOutput,
) -> int:
    """Run the same photo and weights through PyTorch, ultralytics, onnxruntime, and each ARTIFACT.

    \b
    Examples:
      python -m validation.evidence.peers --check
      python -m validation.evidence.peers artifacts/mobile_sam-torchscript-* --json peers.json
      python -m validation.evidence.peers --write

    The programs take turns on the same number of threads. Each encodes the photo, decodes prompts, and
    goes the whole way from the photo's file to the mask. Their masks are compared with the reference
    masks. ARTIFACT is a folder that convert wrote; without any, all schemes of both formats are
    converted first. The other programs are installed in an environment of their own. With every scheme
    a run takes about an hour and 16 GB of memory. Disturbed turns do not count, so leave the machine
    alone meanwhile.

    Exits with 0 if all programs ran, with 1 if one could not run, and with 2 for bad input.
    """
    if check and write:
        raise click.UsageError(
            "--write with --check: expected one of them, since --check measures no times"
        )
    if write:
        # Imported here, because it imports torch.
        from validation.evidence.peers.page import PAGE, PLOT

        require_page(PAGE)
        require_writable(PLOT)
    for folder in folders:
        load_artifact(folder)  # refuses a damaged artifact before anything is installed
    if image is not None:
        read_image(image)
    environment = (environment or default_folder()).absolute()
    if not environment.exists() or not environment.samefile(sys.prefix):
        python = prepare(environment, _report)
        # Run the same command in the environment. If an option occurs twice, the last one counts.
        command = [str(python), "-m", "validation.evidence.peers", *sys.argv[1:]]
        command += ["--environment", str(environment)]
        return subprocess.run(command, env=variables(environment), check=False).returncode
    return _run(folders, checkpoint, image, threads, check, write, output)


def _run(
    folders: tuple[Path, ...],
    checkpoint: str,
    image: Path | None,
    threads: int | None,
    check: bool,
    write: bool,
    output: JsonOutput,
) -> int:
    """Run the comparison. This happens in the peers' environment."""
    import torch

    from converters.conversion import load_source
    from validation.evidence.peers.contestants import contestants
    from validation.evidence.peers.document import build_document
    from validation.evidence.peers.measure import compare_masks, measure_times, sample_photo
    from validation.evidence.peers.page import write_page
    from validation.latency.machine.host import available_cores
    from validation.latency.running.plan import QUICK

    threads = threads or len(available_cores())
    torch.set_num_threads(threads)
    source = load_source(checkpoint)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = image or sample_photo(folder)
        everyone = list(contestants(source, _artifacts(folders, source, folder), folder))
        standings = compare_masks(everyone, photo, _report)
        result = None if check else measure_times(everyone, QUICK, photo, threads)
        output.write(
            build_document(standings, result, QUICK, None if image is None else str(image))
        )
        if not output.replaces_table:
            click.echo(_in_words(standings, result))
        if write:
            write_page(standings, result)
    return FAILED_STATUS if any(standing.problem for standing in standings) else 0


def _artifacts(folders: tuple[Path, ...], source: object, folder: Path) -> list[Artifact]:
    from validation.evidence.peers.measure import every_artifact, load_artifacts

    return load_artifacts(folders, source) if folders else every_artifact(source, folder, _report)


def _in_words(standings: list, result: object) -> str:
    from validation.evidence.peers.page import sentences, table_of
    from validation.latency.table import format_result

    table = table_of(standings, result)
    parts = [table.to_markdown(), table.note]
    if result is not None:
        parts = ["\n".join(format_result(result)), *parts, "\n".join(sentences(standings, result))]
    return "\n\n".join(parts)


def _report(step: str) -> None:
    click.echo(step, err=True)


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(peers)
