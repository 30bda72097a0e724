"""Learning to segment generated scenes, with the rounds of prompts of Segment Anything."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from reference.common.errors import TrainingError
from reference.modeling.sam import Sam
from reference.scenes import Scenes
from reference.scenes.seeds import mixed_seed
from reference.training.painted_batches import PictureOptions, painted_batches
from reference.training.rollout import Place, Rollout, Targets

EMBEDDING_STRIDE = 16  # pixels of the frame per embedding cell; crops begin at multiples of it


@dataclass(frozen=True)
class SceneOptions(PictureOptions):
    """Options of the scenes and prompts of a training.

    Attributes:
        objects: number of objects to ask about in each picture. It is even, because half of the objects begin with a
            point and half with a box.
        clicks: number of corrective clicks after each answer.
        balance: weight of ``balanced_loss``, which helps at the beginning.
        whole: share of steps that show whole scenes instead of crops, in a frame as small as the pictures.
    """

    objects: int = 8
    clicks: int = 2
    balance: float = 0.0
    whole: float = 0.0


class SceneTask:
    """A ``Task`` of the trainer that teaches segmentation on generated scenes."""

    def __init__(self, sam: Sam, options: SceneOptions, workers: int = 0) -> None:
        """Prepare the task.

        Args:
            sam: the model.
            options: the scenes to show and the prompts.
            workers: number of processes that paint scenes on the CPU. With 0, this process paints them on the device of
                the model.

        Raises:
            TrainingError: the options do not fit the model.
        """
        require_crop(options.crop, sam.frame_size)
        if options.objects % 2 or options.objects < 2:
            raise TrainingError(f"--objects {options.objects}: expected an even number")
        self.device, self.workers = sam.device, workers
        self.painter = TargetPainter(options, sam.frame_size)
        self.module = Rollout(sam, options.clicks, options.balance)

    def batches(self, numbers: Iterable[range]) -> Iterator[Targets]:
        """Yield a batch of scenes for each range of seeds."""
        return painted_batches(self.painter, numbers, self.device, self.workers)


@dataclass(frozen=True)
class TargetPainter:
    """Paints scenes, and chooses the objects to ask about."""

    options: SceneOptions
    frame_size: int

    def paint(self, pictures: range, device: torch.device) -> Targets:
        """Paint the scenes with these seeds. The first seed determines the objects to ask about and the place."""
        options = self.options
        generator = torch.Generator().manual_seed(mixed_seed(pictures.start))
        is_whole = options.whole and torch.rand((), generator=generator).item() < options.whole
        frame = options.crop if is_whole else self.frame_size
        scenes = options.paint(pictures, frame, device)
        places = (frame - options.crop) // EMBEDDING_STRIDE + 1
        x, y = (torch.randint(places, (2,), generator=generator) * EMBEDDING_STRIDE).tolist()
        return choose_targets(scenes, options.objects, Place(frame, (x, y)), generator)


def require_crop(crop: int, frame_size: int) -> None:
    """Raise TrainingError unless pictures of this side can be cut from the frame."""
    if crop % 32 or not 32 <= crop <= frame_size:
        raise TrainingError(f"--crop {crop}: expected a multiple of 32, at most {frame_size}")


def choose_targets(
    scenes: Scenes, objects: int, place: Place, generator: torch.Generator
) -> Targets:
    """Draw the objects to ask about, with replacement, because a picture may have fewer objects.

    Pictures without objects are dropped. The generator is on the CPU, whatever the device of the scenes.
    """
    shown = scenes.valid.any(1)
    images, masks = scenes.images[shown], scenes.masks[shown]
    chances = scenes.valid[shown].float().cpu()
    chosen = torch.multinomial(chances, objects, replacement=True, generator=generator)
    chosen = chosen.to(masks.device)
    rows = torch.arange(len(chosen), device=masks.device)[:, None]
    return Targets(images, masks[rows, chosen], place)
