"""The ``segment`` command."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import note, run, version_option
from reference.common.torch_settings import prepare_torch
from reference.modeling.variants import get_variant
from reference.options import Box, Point, answer_options, model_option, prompt_options
from reference.request import answer, prepare, warn_untrained
from reference.weights.checkpoint_source import require_checkpoint


@click.command("segment")
@click.argument("image", type=click.Path(path_type=Path))
@prompt_options
@answer_options
@click.option(
    "--checkpoint",
    default="demo",
    show_default=True,
    metavar="PATH|demo|official|seeded",
    help="The weights: a .pt or .safetensors file, or one of three names. 'demo' comes with this package, 'official' "
    "is MobileSAM's own checkpoint (downloaded once), and 'seeded' is untrained.",
)
@model_option("The model variant that the weights belong to.")
@version_option
def segment(
    image: Path,
    points: tuple[Point, ...],
    background_points: tuple[Point, ...],
    boxes: tuple[Box, ...],
    output: Path | None,
    checkpoint: str,
    model: str,
    as_json: bool,
) -> None:
    """Segment the objects of the photo IMAGE that points or boxes show.

    \b
    Examples:
      segment photo.jpg --point 400,300 --output overlay.png
      segment photo.jpg --point 400,300 --background-point 520,310 --output overlay.png
      segment photo.jpg --box 100,50,300,400 --box 350,60,500,380 --output overlay.png
      segment photo.jpg --point 400,300 --checkpoint mobile_sam.pt --json > masks.json

    All points describe one object, and one box can be added to them. Several boxes describe one object each.
    Coordinates are pixels of the photo as a viewer shows it, counted from its top-left corner.
    """
    request = prepare(image, points, background_points, boxes, output, as_json)
    require_checkpoint(checkpoint, get_variant(model))

    prepare_torch()

    # Imported here because torch takes seconds to import, and --help and refusals do not need it.
    from reference.sam import SAM

    sam = SAM(checkpoint, model)
    if sam.checkpoint.note:
        note(f"weights of '{sam.checkpoint.name}': {sam.checkpoint.note}")
    if not sam.checkpoint.trained:
        warn_untrained(sam.checkpoint.name)
    weights = {name: getattr(sam.checkpoint, name) for name in ("name", "sha256", "trained")}
    answer(request, sam, source={"model": model, "checkpoint": weights})


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``segment`` and exit; see ``reference.common.command_line.run``."""
    run(segment, arguments)
