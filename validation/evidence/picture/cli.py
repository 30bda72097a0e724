"""``python -m validation.evidence.picture``: draw the README's picture."""

from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import run

PAGE_PICTURE = Path(__file__).parents[3] / "docs" / "overlay.jpg"
JPEG_QUALITY = 88


@click.command("picture")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PAGE_PICTURE,
    help="Write the picture to this JPEG file. [default: docs/overlay.jpg]",
)
def picture(output: Path) -> None:
    """Draw the reference mask beside the mask of an int8 Core ML artifact, both of the demo weights.

    \b
    Example:
      python -m validation.evidence.picture --output picture.jpg
    """
    from reference.common.output_files import replacing, require_writable
    from validation.evidence.picture.drawing import draw_picture

    require_writable(output)
    drawn, iou = draw_picture()
    with replacing(output) as path:
        drawn.save(path, "JPEG", quality=JPEG_QUALITY)
    click.echo(f"{output}  IoU {iou:.4f}")


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(picture)
