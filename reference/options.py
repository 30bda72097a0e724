"""Command-line options that several commands share: the model, the prompts and the output."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from reference.common.errors import MobileSAMError, PromptError
from reference.modeling.variants import VARIANTS, get_variant
from reference.prompts import Prompt, normalize_prompts

Point = tuple[float, float]


Box = tuple[float, float, float, float]


class Coordinates(click.ParamType):
    """A click type for comma-separated coordinates in pixels of the photo.

    Args:
        kind: what the coordinates describe, for error messages, such as "a point".
        form: the names of the numbers, such as "X,Y". Their count is the number of values expected.
        example: valid values, for error messages.
    """

    def __init__(self, kind: str, form: str, example: str) -> None:
        self.kind = kind
        self.name = form  # click shows it in --help
        self.example = example

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Convert a string, or numbers that are already converted, to a tuple of finite floats."""
        texts = value.split(",") if isinstance(value, str) else value
        try:
            numbers = tuple(float(text) for text in texts)
        except (TypeError, ValueError):
            numbers = ()
        if len(numbers) != len(self.name.split(",")) or not all(map(math.isfinite, numbers)):
            self.fail(
                f"'{value}' is not {self.kind}: expected {self.name} in pixels, such as "
                f"{self.example}",
                param,
                ctx,
            )
        return numbers


POINT = Coordinates("a point", "X,Y", "400,300")


BOX = Coordinates("a box", "X1,Y1,X2,Y2", "100,50,300,400")


class Model(click.ParamType):
    """A click type for the name of a model variant.

    It reads the registered variants at each use. ``click.Choice`` would keep the list as it was at import.
    """

    name = "model"

    def get_metavar(self, *_: object, **__: object) -> str:
        """Return the known names, for --help."""
        return f"[{'|'.join(VARIANTS)}]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the name if it is known, and fail otherwise."""
        try:
            get_variant(str(value))
        except MobileSAMError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def model_option(help_text: str) -> Callable:
    """Return a decorator that adds --model, the name of a variant. Its help explains the names after ``help_text``."""
    names = "'vit_t' is MobileSAM; 'tiny' tries the tools in seconds and has only 'seeded' weights."
    help_text = f"{help_text} {names}"
    return click.option("--model", type=Model(), default="vit_t", show_default=True, help=help_text)


def prompt_options(command: Callable) -> Callable:
    """Add the repeatable options --point, --background-point and --box to a click command.

    The callback receives the tuples ``points``, ``background_points`` and ``boxes``, which
    ``prompts_from_options`` takes.
    """
    options = (
        click.option(
            "--point",
            "points",
            type=POINT,
            multiple=True,
            help="A point on the object, in pixels of the photo. Repeat the option for more points of the same object.",
        ),
        click.option(
            "--background-point",
            "background_points",
            type=POINT,
            multiple=True,
            help="A point that is not on the object. Repeat the option for more points.",
        ),
        click.option(
            "--box",
            "boxes",
            type=BOX,
            multiple=True,
            help="A box around the object: its top-left and bottom-right corner. Repeat the option for more objects.",
        ),
    )
    # --help lists options from the outermost decorator to the innermost.
    for option in reversed(options):
        command = option(command)
    return command


def answer_options(command: Callable) -> Callable:
    """Add --output and --json, which ``segment`` and ``validate show`` share, to a click command."""
    output = click.option(
        "--output",
        type=click.Path(path_type=Path),
        help="Draw the best mask of each object over the photo and write this PNG or JPEG file.",
    )
    as_json = click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print the masks (COCO RLE), their scores and their boxes as JSON.",
    )
    return output(as_json(command))


def prompts_from_options(
    points: Sequence[Point],
    background_points: Sequence[Point],
    boxes: Sequence[Box],
    image_size: tuple[int, int],
) -> list[Prompt]:
    """Turn the options of a command into prompts: all points describe one object, and each box describes one.

    Args:
        points: (x, y) of points on the object, in pixels of the photo.
        background_points: (x, y) of points that are not on the object.
        boxes: (x1, y1, x2, y2) of each box. Points may refine a single box.
        image_size: (height, width) of the photo.

    Raises:
        PromptError: no prompt is given, points come with several boxes, or a value lies outside the photo.
    """
    all_points = [*points, *background_points]
    if not all_points and not boxes:
        height, width = image_size
        raise PromptError(
            f"an empty prompt: expected --point or --box, for example --point {width // 2},"
            f"{height // 2} for an object in the middle of this photo, or --box X1,Y1,X2,Y2"
        )
    if all_points and len(boxes) > 1:
        raise PromptError(
            f"{len(boxes)} boxes with points: expected points with at most one box, or several boxes "
            "without points; run the command once per object"
        )
    return normalize_prompts(
        points=[all_points] if all_points else None,
        labels=[[1] * len(points) + [0] * len(background_points)] if all_points else None,
        bboxes=boxes or None,
        image_size=image_size,
    )
