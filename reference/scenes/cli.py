"""``python -m reference.scenes``: a sheet of generated scenes, to be looked at."""

from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import run
from reference.common.output_files import replacing, require_writable


@click.command("scenes")
@click.option(
    "--seed", type=click.IntRange(0, 2**62), default=0, show_default=True, help="The first scene's."
)
@click.option(
    "--count", type=click.IntRange(1, 64), default=16, show_default=True, help="How many scenes."
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
    help="Side of the frame that the pictures are crops of; default, their own.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The sheet, as PNG: each scene, and beside it the same with its masks.",
)
def scenes(seed: int, count: int, size: int, frame: int | None, output: Path) -> None:
    """Draw generated scenes and their masks.

    \b
    Example:
      python -m reference.scenes --seed 0 --count 16 --size 512 --output scenes.png
    """
    require_writable(output)

    # Here: they take seconds to import, which --help and refusals shall not wait for.
    from reference.scenes.contact_sheet import draw_contact_sheet
    from reference.scenes.scenes import generate_scenes

    made = generate_scenes(range(seed, seed + count), size, frame=frame)
    with replacing(output) as draft:
        draw_contact_sheet(made).save(draft, format="PNG")


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(scenes)
