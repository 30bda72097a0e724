"""Options that the trainings share."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import click

from reference.common.command_line import FiniteRange
from reference.options import model_option

_shared_options = (
    click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="Folder for the state, the log and the weights. If it holds the same training, that training is "
        "continued.",
    ),
    model_option("The model variant to train."),
    click.option(
        "--steps", type=click.IntRange(1), required=True, help="Number of optimizer steps."
    ),
    click.option(
        "--pictures",
        type=click.IntRange(1),
        default=8,
        show_default=True,
        help="Number of pictures per step and process.",
    ),
    click.option(
        "--learning-rate",
        type=FiniteRange(0, 1, min_open=True),
        default=5e-4,
        show_default=True,
        help="Highest learning rate, reached after the warm-up. It then falls to 0.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 255),
        default=0,
        show_default=True,
        help="Seed of everything random in the training.",
    ),
    click.option(
        "--bfloat16/--float32",
        default=None,
        help="Number format to compute in. The default is bfloat16 on a GPU and float32 on a CPU. On a CPU, bfloat16 "
        "is fast only if the hardware supports it (avx512_bf16, amx).",
    ),
    click.option(
        "--save-every",
        type=click.IntRange(1),
        default=200,
        show_default=True,
        help="Number of steps between two saved states.",
    ),
)


_scene_options = (
    click.option(
        "--crop",
        type=int,
        help="Side of the pictures in pixels. If it is smaller than --frame, the pictures are crops of the frame, "
        "which suits a CPU.  [default: the side of the frame]",
    ),
    click.option(
        "--frame",
        type=click.IntRange(128, 1024),
        default=1024,
        show_default=True,
        help="Side of the frame in pixels, a multiple of 32. Weights fit frames of any size, and the model learns "
        "prompts sooner in a small frame.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Number of processes that paint scenes on the CPU. With 0, the training process paints them, on the GPU "
        "if there is one.",
    ),
    click.option(
        "--plain",
        type=FiniteRange(0, 1),
        default=0.0,
        show_default=True,
        help="Share of easy scenes, with a few large objects and no texture or clutter. They help at the beginning.",
    ),
    click.option(
        "--zoom",
        type=FiniteRange(1, 16),
        default=1.0,
        show_default=True,
        help="Largest magnification of the scenes, drawn at random in each step. Objects become larger and the border "
        "cuts them, which suits a small --frame.",
    ),
)


@dataclass(frozen=True)
class RunOptions:
    """The values of the options of every training. The help of each option describes it."""

    output: Path
    model: str
    steps: int
    pictures: int
    learning_rate: float
    seed: int
    bfloat16: bool | None
    save_every: int


def shared_options(command: Callable) -> Callable:
    """Add the options of every training to a click command, which receives them as ``shared``, ``RunOptions``."""

    @functools.wraps(command)
    def gathered(**values: object) -> None:
        shared = {option.name: values.pop(option.name) for option in fields(RunOptions)}
        command(shared=RunOptions(**shared), **values)

    return _with(_shared_options, gathered)


def scene_options(command: Callable) -> Callable:
    """Add the options of every training on generated scenes to a click command."""
    return _with(_scene_options, command)


def _with(options: tuple[Callable, ...], command: Callable) -> Callable:
    for option in reversed(options):
        command = option(command)
    return command


def picture_side(crop: int | None, frame: int) -> int:
    """Return the side of the pictures in pixels, from the values of ``scene_options``."""
    if frame % 32:
        raise click.UsageError(f"--frame {frame}: expected a multiple of 32")
    return frame if crop is None else crop
