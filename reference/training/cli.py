"""``python -m reference.training``: train on scenes, or distil from a teacher; with ``torchrun``, on several GPUs."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from reference.common.command_line import FiniteRange, print_lines, run
from reference.common.progress import progress
from reference.options import model_option

if TYPE_CHECKING:  # not at run time: they import torch, which takes seconds
    from reference.modeling.sam import Sam
    from reference.training.trainer import Task

_shared_options = (
    click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="Folder for state, log and weights; one with the same training is continued.",
    ),
    model_option("Which variant to train."),
    click.option("--steps", type=click.IntRange(1), required=True, help="Of the optimizer."),
    click.option(
        "--pictures",
        type=click.IntRange(1),
        default=8,
        show_default=True,
        help="Per step and process.",
    ),
    click.option(
        "--learning-rate",
        type=FiniteRange(0, 1, min_open=True),
        default=5e-4,
        show_default=True,
        help="The highest; it falls to 0.",
    ),
    click.option("--seed", type=click.IntRange(0, 255), default=0, show_default=True),
    click.option(
        "--bfloat16/--float32",
        default=None,
        help="What to compute in; by default bfloat16 on a GPU. A CPU should have it in hardware (avx512_bf16, amx).",
    ),
    click.option(
        "--save-every", type=click.IntRange(1), default=200, show_default=True, help="Steps."
    ),
)


_scene_options = (
    click.option(
        "--crop",
        type=int,
        help="Side of the pictures; below the frame's they are crops in their place: for a CPU. "
        "[default: the frame's]",
    ),
    click.option(
        "--frame",
        type=click.IntRange(128, 1024),
        default=1024,
        show_default=True,
        help="Side of the frame, a multiple of 32. Weights fit any, and in a small one prompts are learned sooner.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Processes that paint scenes, on the CPU; 0: painted in between, on the GPU if there is one.",
    ),
    click.option(
        "--plain",
        type=FiniteRange(0, 1),
        default=0.0,
        show_default=True,
        help="The share of easy scenes, a few large objects without texture or clutter: for the beginning.",
    ),
    click.option(
        "--zoom",
        type=FiniteRange(1, 16),
        default=1.0,
        show_default=True,
        help="Show each step's scenes magnified up to so many times, cut by the border: larger objects, for a "
        "small --frame.",
    ),
)


def shared_options(command: Callable) -> Callable:
    """What every training has."""
    return _with(_shared_options, command)


def scene_options(command: Callable) -> Callable:
    """What every training on generated scenes has."""
    return _with(_scene_options, command)


def _with(options: tuple[Callable, ...], command: Callable) -> Callable:
    for option in reversed(options):
        command = option(command)
    return command


def picture_side(crop: int | None, frame: int) -> int:
    """The side of the pictures that ``scene_options`` ask for, in pixels."""
    if frame % 32:
        raise click.UsageError(f"--frame {frame}: expected a multiple of 32")
    return frame if crop is None else crop


@click.group("training")
def training() -> None:
    """Train MobileSAM.

    \b
    Examples:
      python -m reference.training grouping --output runs/grouping --crop 224 --steps 1000
      python -m reference.training distill --teacher sam_vit_b.pth --images photos --output runs/d --steps 100000
      torchrun --nproc-per-node 8 -m reference.training scenes --output runs/scenes --steps 20000
    """


@training.command()
@shared_options
@scene_options
def grouping(
    crop: int | None, workers: int, frame: int, plain: float, zoom: float, **shared: object
) -> None:
    """Let the image encoder learn what belongs together and what color it has, as a start for training on scenes.

    \b
    Example:
      python -m reference.training grouping --output runs/grouping --crop 224 --steps 1000

    Weights from here are for scenes --checkpoint.
    """
    from reference.training.grouping_task import GroupingTask
    from reference.training.painted_batches import PictureOptions

    options = PictureOptions(picture_side(crop, frame), plain, zoom)

    def prepare(sam: "Sam") -> "Task":
        return GroupingTask(sam, options, workers)

    _train(prepare, vars(options), frame=frame, **shared)


@training.command()
@shared_options
@click.option("--checkpoint", default=None, help="Weights to begin with, instead of random ones.")
@click.option(
    "--fixed-statistics",
    is_flag=True,
    help="Normalize by the statistics that --checkpoint came with, not by each step's: for few --pictures.",
)
@scene_options
@click.option(
    "--objects", type=int, default=8, show_default=True, help="Asked about in each picture."
)
@click.option(
    "--clicks",
    type=click.IntRange(0, 7),
    default=2,
    show_default=True,
    help="Corrections of each answer; with 0 more pictures are seen in the time, which is for the beginning.",
)
@click.option(
    "--balance",
    type=FiniteRange(0),
    default=0.0,
    show_default=True,
    help="Weight of a loss that cannot be lowered by where a pixel is, only by what the picture shows: for the "
    "beginning, about 0.5.",
)
@click.option(
    "--whole",
    type=FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="The share of steps that show whole scenes in a frame as small as the --crop: of large objects, crops "
    "show pieces only.",
)
def scenes(
    checkpoint: str | None,
    crop: int | None,
    objects: int,
    clicks: int,
    balance: float,
    whole: float,
    workers: int,
    frame: int,
    plain: float,
    zoom: float,
    **shared: object,
) -> None:
    """Learn to segment on generated scenes, as Segment Anything learned.

    \b
    Examples:
      python -m reference.training scenes --output runs/scenes --steps 20000
      python -m reference.training scenes --output runs/on --checkpoint start.safetensors --steps 20000
    """
    from reference.training.scene_task import SceneOptions, SceneTask
    from reference.weights.checkpoint import load_weights, resolve_checkpoint

    if shared["fixed_statistics"] and checkpoint is None:
        raise click.UsageError("--fixed-statistics: expected --checkpoint as well, which has them")
    options = SceneOptions(
        picture_side(crop, frame),
        plain=plain,
        zoom=zoom,
        objects=objects,
        clicks=clicks,
        balance=balance,
        whole=whole,
    )

    def prepare(sam: "Sam") -> "Task":
        if checkpoint is not None:
            start = resolve_checkpoint(checkpoint, sam.variant)
            load_weights(sam, start.state_dict, f"'{start.name}'")
        return SceneTask(sam, options, workers)

    _train(prepare, {"checkpoint": checkpoint, **vars(options)}, frame=frame, **shared)


@training.command()
@shared_options
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    required=True,
    help="Checkpoint of Segment Anything with a ViT: sam_vit_b, l or h.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder of photos.",
)
def distill(teacher: Path, images: Path, **shared: object) -> None:
    """Teach the small image encoder a large one's embeddings, as MobileSAM was made.

    \b
    Example:
      python -m reference.training distill --teacher sam_vit_b.pth --images photos --output runs/d --steps 100000

    Prompt encoder and mask decoder are the teacher's.
    """
    from reference.training.distillation_task import DistillationTask, find_photos, load_decoder
    from reference.training.teacher import TeacherImageEncoder
    from reference.weights.checkpoint_file import read_checkpoint

    def prepare(sam: "Sam") -> "Task":
        weights = read_checkpoint(teacher)
        load_decoder(sam, weights, teacher.name)
        encoder = TeacherImageEncoder(weights, teacher.name).to(sam.device)
        return DistillationTask(sam, encoder, find_photos(images))

    _train(prepare, {"teacher": str(teacher), "images": str(images)}, **shared)


def _train(
    prepare: Callable[["Sam"], "Task"],
    task_options: dict[str, object],
    output: Path,
    model: str,
    save_every: int,
    bfloat16: bool | None,
    frame: int | None = None,
    **schedule_options: object,
) -> None:
    import torch

    from reference.modeling.sam import Sam
    from reference.modeling.variants import get_variant
    from reference.training.initialization import localize_prompts, pass_on_what_is_seen
    from reference.training.processes import joined_processes
    from reference.training.run_folder import RunFolder
    from reference.training.trainer import Schedule, Trainer

    with joined_processes() as processes, contextlib.ExitStack() as stack:
        on_gpu = processes.device.type == "cuda"
        schedule = Schedule(**schedule_options, bfloat16=on_gpu if bfloat16 is None else bfloat16)
        torch.manual_seed(schedule.seed)
        variant = get_variant(model)
        if frame is not None:
            variant = replace(variant, image_size=frame)
        # Convolutions of this memory format are a tenth faster, on a CPU as well.
        sam = Sam(variant).to(processes.device, memory_format=torch.channels_last)
        localize_prompts(sam)
        pass_on_what_is_seen(sam)
        task = prepare(sam)
        folder = RunFolder(output)
        if processes.is_first:
            folder.begin(
                {"model": model, "frame": sam.frame_size, **task_options, **vars(schedule)}
            )
        processes.wait()
        trainer = Trainer(sam, task, schedule, folder, processes)
        show = _ignore
        if processes.is_first:
            bar = stack.enter_context(progress(description="training", total=schedule.steps))
            bar.update(trainer.step)
            show = _shown_on(bar)
        trainer.train(save_every, show)
    if processes.is_first:
        print_lines([f"weights: {folder.weights}"])


def _ignore(metrics: dict[str, float]) -> None:
    """Of processes other than the first."""


def _shown_on(bar) -> Callable[[dict[str, float]], None]:
    def show(metrics: dict[str, float]) -> None:
        bar.update(metrics["step"] - bar.n)
        bar.set_postfix_str(
            f"loss {metrics['loss']:.3f}, {metrics['pictures_per_second']:g} pictures/s"
        )

    return show


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(training)
