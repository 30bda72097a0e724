"""The command ``validate show``."""

from dataclasses import asdict
from pathlib import Path

import click

from reference.common.command_line import warn
from reference.options import Box, Point, answer_options, prompt_options
from reference.request import answer, prepare
from validation.artifacts.artifact import Artifact, load_artifact
from validation.engines import engine_names


@click.command("show")
@click.argument("folder", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.argument("image", type=click.Path(path_type=Path))
@prompt_options
@click.option(
    "--engine",
    type=click.Choice(engine_names()),
    help="Run the artifact with this engine, as in validate compare.",
)
@answer_options
def show(
    folder: Path,
    image: Path,
    points: tuple[Point, ...],
    background_points: tuple[Point, ...],
    boxes: tuple[Box, ...],
    engine: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Segment objects of the photo IMAGE with an ARTIFACT.

    \b
    Examples:
      validate show artifacts/mobile_sam-torchscript-int8 photo.jpg --point 400,300 --output o.png
      validate show artifacts/mobile_sam-torchscript-int8 photo.jpg --box 100,50,300,400 --json

    An ARTIFACT is a folder that convert wrote. Prompts, picture and JSON have the same form as in
    segment, which runs the reference instead.
    """
    request = prepare(image, points, background_points, boxes, output, as_json)
    artifact = load_artifact(folder)

    # Imported here so that --help and refusals need not wait for torch.
    from validation.engines.artifact_model import open_artifact

    model = open_artifact(artifact, engine)
    answer(request, model, _source(artifact, model.engine.name))
    if not artifact.checkpoint.trained:  # after everything that may be refused, in one line
        warn(
            f"the artifact's weights '{artifact.checkpoint.name}' are untrained, and the masks "
            "mean nothing; for real masks convert with --checkpoint official or a file of your own"
        )


def _source(artifact: Artifact, engine: str) -> dict:
    """Where the masks come from: the fields that ``segment`` prints, the artifact and the engine."""
    return {
        "model": artifact.model,
        "checkpoint": asdict(artifact.checkpoint),
        "artifact": artifact.record(),
        "engine": engine,
    }
