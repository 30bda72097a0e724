"""``python -m reference.scenes``, which draws a contact sheet of generated scenes."""

from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import run
from reference.common.output_files import replacing, require_writable


@click.command("scenes")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**62),
    default=0,
    show_default=True,
    help="Seed of the first scene. The following scenes have the next seeds.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 64),
    default=16,
    show_default=True,
    help="Number of scenes to draw.",
)
@click.option(
    "--size",
    type=click.IntRange(32, 2048),
    default=512,
    show_default=True,
    help="Side of the pictures, in pixels.",
)
@click.option(
    "--frame",
    type=click.IntRange(32, 4096),
    help="Side of the full frame in pixels, if the pictures are crops of it. The default is the side of the pictures.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="PNG file to write. It shows each scene, and beside it the same scene with its masks.",
)
def scenes(seed: int, count: int, size: int, frame: int | None, output: Path) -> None:
    """Draw generated scenes and their masks on one contact sheet.

    \b
    Example:
      python -m reference.scenes --seed 0 --count 16 --size 512 --output scenes.png
    """
    require_writable(output)

    # Imported here because they take seconds to import, and --help and refusals do not need them.
    from reference.scenes.contact_sheet import draw_contact_sheet
    from reference.scenes.scenes import generate_scenes

    made = generate_scenes(range(seed, seed + count), size, frame=frame)
    with replacing(output) as draft:
        draw_contact_sheet(made).save(draft, format="PNG")


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(scenes)
