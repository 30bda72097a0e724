"""Learning to segment: generated scenes, and Segment Anything's rounds of prompts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from reference.common.errors import TrainingError
from reference.modeling.sam import Sam
from reference.scenes import Scenes
from reference.scenes.seeds import mixed_seed
from reference.training.painted_batches import PictureOptions, painted_batches
from reference.training.rollout import Place, Rollout, Targets

EMBEDDING_STRIDE = 16  # pixels of the frame a cell of the image embeddings: where a crop may begin


@dataclass(frozen=True)
class SceneOptions(PictureOptions):
    """What is shown and asked. Crops are in their place in the frame.

    Attributes:
        objects: asked about in each picture; even, since half begin with a point and half with a box.
        clicks: corrections of each answer.
        balance: weight of a loss that cannot be lowered by where a pixel is: for the beginning.
        whole: the share of steps that show whole scenes, in a frame of the pictures' side, in place of crops.
    """

    objects: int = 8
    clicks: int = 2
    balance: float = 0.0
    whole: float = 0.0


class SceneTask:
    """A ``Task`` of the trainer."""

    def __init__(self, sam: Sam, options: SceneOptions, workers: int = 0) -> None:
        """Generate in ``workers`` processes of their own, on the CPU; with 0 in this one, on the model's device.

        Raises:
            TrainingError: the options make no sense for the model.
        """
        require_crop(options.crop, sam.frame_size)
        if options.objects % 2 or options.objects < 2:
            raise TrainingError(f"--objects {options.objects}: expected an even number")
        self.device, self.workers = sam.device, workers
        self.painter = TargetPainter(options, sam.frame_size)
        self.module = Rollout(sam, options.clicks, options.balance)

    def batches(self, numbers: Iterable[range]) -> Iterator[Targets]:
        """Scenes by their seeds, somewhere in the frame."""
        return painted_batches(self.painter, numbers, self.device, self.workers)


@dataclass(frozen=True)
class TargetPainter:
    """Paints scenes, and chooses what is asked about them."""

    options: SceneOptions
    frame_size: int

    def paint(self, pictures: range, device: torch.device) -> Targets:
        """The scenes of these seeds, and the objects and the place that their first one says."""
        options = self.options
        generator = torch.Generator().manual_seed(mixed_seed(pictures.start))
        is_whole = options.whole and torch.rand((), generator=generator).item() < options.whole
        frame = options.crop if is_whole else self.frame_size
        scenes = options.paint(pictures, frame, device)
        places = (frame - options.crop) // EMBEDDING_STRIDE + 1
        x, y = (torch.randint(places, (2,), generator=generator) * EMBEDDING_STRIDE).tolist()
        return choose_targets(scenes, options.objects, Place(frame, (x, y)), generator)


def require_crop(crop: int, frame_size: int) -> None:
    """TrainingError unless pictures of this side can be cut from the frame."""
    if crop % 32 or not 32 <= crop <= frame_size:
        raise TrainingError(f"--crop {crop}: expected a multiple of 32, at most {frame_size}")


def choose_targets(
    scenes: Scenes, objects: int, place: Place, generator: torch.Generator
) -> Targets:
    """Draw the objects that are asked about, with replacement: a picture may have fewer.

    Pictures without any are dropped. The generator is one of the CPU's, whatever the scenes' device.
    """
    shown = scenes.valid.any(1)
    images, masks = scenes.images[shown], scenes.masks[shown]
    chances = scenes.valid[shown].float().cpu()
    chosen = torch.multinomial(chances, objects, replacement=True, generator=generator)
    chosen = chosen.to(masks.device)
    rows = torch.arange(len(chosen), device=masks.device)[:, None]
    return Targets(images, masks[rows, chosen], place)
