"""Options that several commands take: a model, prompts, and where an answer goes."""

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
    """Comma-separated finite numbers, in pixels of the photo, as many as ``form`` names."""

    def __init__(self, kind: str, form: str, example: str) -> None:
        self.kind = kind
        self.name = form  # click shows it in --help
        self.example = example

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """A string, or numbers already converted, as floats."""
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
    """The name of a model variant. No ``click.Choice``, whose list is as it was at import."""

    name = "model"

    def get_metavar(self, *_: object, **__: object) -> str:
        """The known ones, for --help."""
        return f"[{'|'.join(VARIANTS)}]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The name itself, of a variant that is known."""
        try:
            get_variant(str(value))
        except MobileSAMError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def model_option(help_text: str) -> Callable:
    """Add --model, the name of a variant."""
    return click.option("--model", type=Model(), default="vit_t", show_default=True, help=help_text)


def prompt_options(command: Callable) -> Callable:
    """Add --point, --background-point and --box to a click command, each as often as one likes.

    The callback receives tuples ``points``, ``background_points`` and ``boxes``, made to be handed
    to ``prompts_from_options``.
    """
    options = (
        click.option(
            "--point",
            "points",
            type=POINT,
            multiple=True,
            help="A point of the object, in pixels of the photo. Repeat it to say more.",
        ),
        click.option(
            "--background-point",
            "background_points",
            type=POINT,
            multiple=True,
            help="A point that is not of the object. Repeat it to say more.",
        ),
        click.option(
            "--box",
            "boxes",
            type=BOX,
            multiple=True,
            help="A box around the object. Repeat it for more objects, one each.",
        ),
    )
    for option in reversed(options):  # the decorator nearest to the function is the last in --help
        command = option(command)
    return command


def answer_options(command: Callable) -> Callable:
    """Add --output and --json, what ``segment`` and ``validate show`` make of an answer."""
    output = click.option(
        "--output",
        type=click.Path(path_type=Path),
        help="Draw the best mask of each object over the photo, as PNG or JPEG.",
    )
    as_json = click.option(
        "--json", "as_json", is_flag=True, help="Print masks (COCO RLE), scores and boxes."
    )
    return output(as_json(command))


def prompts_from_options(
    points: Sequence[Point],
    background_points: Sequence[Point],
    boxes: Sequence[Box],
    image_size: tuple[int, int],
) -> list[Prompt]:
    """Prompts as the command line means them: all points are of one object, each box is another.

    Args:
        points: x, y of the object, in pixels of the photo.
        background_points: x, y of the background.
        boxes: x1, y1, x2, y2; a single one may be refined by points.
        image_size: the photo's (height, width).

    Raises:
        PromptError: nothing is given, several boxes come with points, or something does not fit
            the photo.
    """
    all_points = [*points, *background_points]
    if not all_points and not boxes:
        height, width = image_size
        raise PromptError(
            f"an empty prompt: say where the object is, for example --point {width // 2},"
            f"{height // 2} for one in the middle of this photo, or --box X1,Y1,X2,Y2"
        )
    if all_points and len(boxes) > 1:
        raise PromptError(
            f"{len(boxes)} boxes with points: expected points with one box, which they refine, or "
            "several boxes alone, one object each; ask for the objects one by one"
        )
    return normalize_prompts(
        points=[all_points] if all_points else None,
        labels=[[1] * len(points) + [0] * len(background_points)] if all_points else None,
        bboxes=boxes or None,
        image_size=image_size,
    )
