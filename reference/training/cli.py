"""``python -m reference.training``, which trains on generated scenes or distills a teacher.

With ``torchrun`` it trains on several GPUs.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from reference.common.command_line import FiniteRange, print_lines, run
from reference.common.progress import progress
from reference.training.options import RunOptions, picture_side, scene_options, shared_options

if TYPE_CHECKING:  # these modules import torch, which takes seconds
    import torch

    from reference.modeling.sam import Sam
    from reference.training.trainer import Task


@click.group("training")
def training() -> None:
    """Train MobileSAM on generated scenes, or distill it from a larger model.

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
    shared: RunOptions, crop: int | None, workers: int, frame: int, plain: float, zoom: float
) -> None:
    """Train the image encoder to group the pixels of one object.

    \b
    Example:
      python -m reference.training grouping --output runs/grouping --crop 224 --steps 1000

    The weights are a start for `scenes`: pass them to it with --checkpoint. The encoder also learns the colors of the
    picture.
    """
    from reference.training.grouping_task import GroupingTask
    from reference.training.painted_batches import PictureOptions

    options = PictureOptions(picture_side(crop, frame), plain, zoom)

    def prepare(sam: "Sam") -> "Task":
        return GroupingTask(sam, options, workers)

    _train(shared, prepare, vars(options), frame)


@training.command()
@shared_options
@click.option(
    "--checkpoint", default=None, help="Weights to start from. The default is random weights."
)
@click.option(
    "--fixed-statistics",
    is_flag=True,
    help="Normalize batches by the statistics in --checkpoint instead of those of each step. This helps with few "
    "--pictures.",
)
@scene_options
@click.option(
    "--objects",
    type=int,
    default=8,
    show_default=True,
    help="Number of objects to ask about in each picture, an even number.",
)
@click.option(
    "--clicks",
    type=click.IntRange(0, 7),
    default=2,
    show_default=True,
    help="Number of corrective clicks after each answer. With 0 the model sees more pictures in the same time, which "
    "helps at the beginning.",
)
@click.option(
    "--balance",
    type=FiniteRange(0),
    default=0.0,
    show_default=True,
    help="Weight of a loss that depends on what the picture shows and not on the position of a pixel. About 0.5 helps "
    "at the beginning.",
)
@click.option(
    "--whole",
    type=FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of steps that show whole scenes in a frame as small as --crop. Crops show only pieces of large "
    "objects.",
)
def scenes(
    shared: RunOptions,
    checkpoint: str | None,
    fixed_statistics: bool,
    crop: int | None,
    objects: int,
    clicks: int,
    balance: float,
    whole: float,
    workers: int,
    frame: int,
    plain: float,
    zoom: float,
) -> None:
    """Train the whole model on generated scenes.

    \b
    Examples:
      python -m reference.training scenes --output runs/scenes --steps 20000
      python -m reference.training scenes --output runs/on --checkpoint start.safetensors --steps 20000

    The recipe is that of Segment Anything.
    """
    from reference.training.scene_task import SceneOptions, SceneTask
    from reference.weights.checkpoint import load_weights, resolve_checkpoint

    if fixed_statistics and checkpoint is None:
        raise click.UsageError("--fixed-statistics: expected --checkpoint too, which holds them")
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

    task_options = {"checkpoint": checkpoint, **vars(options)}
    _train(shared, prepare, task_options, frame, fixed_statistics)


@training.command()
@shared_options
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    required=True,
    help="The checkpoint of the teacher, a Segment Anything with a ViT: sam_vit_b, sam_vit_l or sam_vit_h.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder with the photos to train on. Its subfolders are searched too.",
)
def distill(shared: RunOptions, teacher: Path, images: Path) -> None:
    """Train the image encoder to imitate that of a larger model.

    \b
    Example:
      python -m reference.training distill --teacher sam_vit_b.pth --images photos --output runs/d --steps 100000

    It learns to compute the embeddings of the teacher, as MobileSAM was made. The prompt encoder and the mask decoder
    are copied from the teacher.
    """
    from reference.photos.photo_files import find_photos
    from reference.training.distillation_task import DistillationTask, load_decoder
    from reference.training.teacher import TeacherImageEncoder
    from reference.weights.checkpoint_file import read_checkpoint

    def prepare(sam: "Sam") -> "Task":
        weights = read_checkpoint(teacher)
        load_decoder(sam, weights, teacher.name)
        encoder = TeacherImageEncoder(weights, teacher.name).to(sam.device)
        return DistillationTask(sam, encoder, find_photos(images))

    _train(shared, prepare, {"teacher": str(teacher), "images": str(images)})


def _train(
    shared: RunOptions,
    prepare: Callable[["Sam"], "Task"],
    task_options: dict[str, object],
    frame: int | None = None,
    fixed_statistics: bool = False,
) -> None:
    """Train, or continue the training in the output folder.

    Args:
        shared: the options of every training.
        prepare: returns the task for a model.
        task_options: the options of the task, for the state in the folder.
        frame: side of the model's frame in pixels; None takes the variant's.
        fixed_statistics: whether batches are normalized by the initial statistics.
    """
    import torch

    from reference.training.processes import joined_processes
    from reference.training.run_folder import RunFolder
    from reference.training.trainer import Schedule, Trainer

    with joined_processes() as processes, contextlib.ExitStack() as stack:
        on_gpu = processes.device.type == "cuda"
        schedule = Schedule(
            shared.steps,
            shared.pictures,
            shared.learning_rate,
            seed=shared.seed,
            bfloat16=on_gpu if shared.bfloat16 is None else shared.bfloat16,
            fixed_statistics=fixed_statistics,
        )
        torch.manual_seed(schedule.seed)
        sam = _new_model(shared.model, frame, processes.device)
        task = prepare(sam)
        folder = RunFolder(shared.output)
        if processes.is_first:
            folder.begin(
                {"model": shared.model, "frame": sam.frame_size, **task_options, **vars(schedule)}
            )
        processes.wait()
        trainer = Trainer(sam, task, schedule, folder, processes)
        show = _ignore
        if processes.is_first:
            bar = stack.enter_context(progress(description="training", total=schedule.steps))
            bar.update(trainer.step)
            show = _shown_on(bar)
        trainer.train(shared.save_every, show)
    if processes.is_first:
        print_lines([f"weights: {folder.weights}"])


def _new_model(model: str, frame: int | None, device: "torch.device") -> "Sam":
    """Return a model with random weights, for frames of ``frame`` pixels if given, on a device."""
    import torch

    from reference.modeling.sam import Sam
    from reference.modeling.variants import get_variant
    from reference.training.initialization import localize_prompts, pass_on_what_is_seen

    variant = get_variant(model)
    if frame is not None:
        variant = replace(variant, image_size=frame)
    # Convolutions are a tenth faster in this memory format, on a CPU too.
    sam = Sam(variant).to(device, memory_format=torch.channels_last)
    localize_prompts(sam)
    pass_on_what_is_seen(sam)
    return sam


def _ignore(metrics: dict[str, float]) -> None:
    """Show nothing, in all processes except the first."""


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
