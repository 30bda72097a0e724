"""Learning to segment: generated scenes, and Segment Anything's rounds of prompts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from reference.errors import TrainingError
from reference.sam import Sam
from reference.training.rollout import Rollout, Targets
from reference.training.scenes import Scenes, generate_scenes
from reference.training.seeds import mixed_seed

EMBEDDING_STRIDE = 16  # pixels of the frame a cell of the image embeddings: where a crop may begin


@dataclass(frozen=True)
class SceneOptions:
    """What is shown and asked.

    Attributes:
        crop: side of the pictures in pixels; below the frame's they are crops, in their place in the frame.
        objects: asked about in each picture; even, since half begin with a point and half with a box.
        clicks: corrections of each answer.
    """

    crop: int
    objects: int = 8
    clicks: int = 2


class SceneTask:
    """A ``Task`` of the trainer."""

    def __init__(self, sam: Sam, options: SceneOptions, workers: int = 0) -> None:
        """Generate in ``workers`` processes of their own, on the CPU; with 0 in this one, on the model's device.

        Raises:
            TrainingError: the options make no sense for the model.
        """
        if options.crop % 32 or not 32 <= options.crop <= sam.frame_size:
            raise TrainingError(
                f"--crop {options.crop}: expected a multiple of 32, at most {sam.frame_size}"
            )
        if options.objects % 2 or options.objects < 2:
            raise TrainingError(f"--objects {options.objects}: expected an even number")
        self.device, self.workers = sam.device, workers
        self.painter = Painter(options, sam.frame_size)
        self.module = Rollout(sam, options.clicks)

    def batches(self, numbers: Iterable[range]) -> Iterator[Targets]:
        """Scenes by their seeds, somewhere in the frame."""
        if not self.workers:
            return (self.painter.paint(pictures, self.device) for pictures in numbers)
        loader = DataLoader(
            PaintedBatches(self.painter, list(numbers)),
            batch_size=None,
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
        )
        return (targets.to(self.device) for targets in loader)


@dataclass(frozen=True)
class Painter:
    """Paints scenes, and chooses what is asked about them."""

    options: SceneOptions
    frame_size: int

    def paint(self, pictures: range, device: torch.device) -> Targets:
        """The scenes of these seeds, and the objects and the place that their first one says."""
        crop = self.options.crop
        scenes = generate_scenes(pictures, crop, device=device, frame=self.frame_size)
        generator = torch.Generator().manual_seed(mixed_seed(pictures.start))
        places = (self.frame_size - crop) // EMBEDDING_STRIDE + 1
        x, y = (torch.randint(places, (2,), generator=generator) * EMBEDDING_STRIDE).tolist()
        return choose_targets(scenes, self.options.objects, (x, y), generator)


class PaintedBatches(Dataset):
    """What workers paint, batch by batch."""

    def __init__(self, painter: Painter, numbers: Sequence[range]) -> None:
        self.painter, self.numbers = painter, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Targets:
        return self.painter.paint(self.numbers[index], torch.device("cpu"))


def choose_targets(
    scenes: Scenes, objects: int, offset: tuple[int, int], generator: torch.Generator
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
    return Targets(images, masks[rows, chosen], offset)
