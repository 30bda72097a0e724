"""Learning to segment: generated scenes, and Segment Anything's rounds of prompts."""

from dataclasses import dataclass

import torch

from reference.errors import TrainingError
from reference.sam import Sam
from reference.training.rollout import Rollout, Targets
from reference.training.scenes import Scenes, generate_scenes

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

    def __init__(self, sam: Sam, options: SceneOptions) -> None:
        """TrainingError for options that make no sense for the model."""
        if options.crop % 32 or not 32 <= options.crop <= sam.frame_size:
            raise TrainingError(
                f"--crop {options.crop}: expected a multiple of 32, at most {sam.frame_size}"
            )
        if options.objects % 2 or options.objects < 2:
            raise TrainingError(f"--objects {options.objects}: expected an even number")
        self.options, self.device, self.frame_size = options, sam.device, sam.frame_size
        self.module = Rollout(sam, options.clicks)

    def batch(self, pictures: range, generator: torch.Generator) -> Targets:
        """Scenes by their seeds, somewhere in the frame."""
        crop, frame = self.options.crop, self.frame_size
        scenes = generate_scenes(pictures, crop, device=self.device, frame=frame)
        places = (frame - crop) // EMBEDDING_STRIDE + 1
        place = torch.randint(places, (2,), generator=generator, device=self.device)
        x, y = (place * EMBEDDING_STRIDE).tolist()
        return choose_targets(scenes, self.options.objects, (x, y), generator)


def choose_targets(
    scenes: Scenes, objects: int, offset: tuple[int, int], generator: torch.Generator
) -> Targets:
    """Draw the objects that are asked about, with replacement: a picture may have fewer.

    Pictures without any are dropped.
    """
    shown = scenes.valid.any(1)
    images, masks, valid = scenes.images[shown], scenes.masks[shown], scenes.valid[shown]
    chosen = torch.multinomial(valid.float(), objects, replacement=True, generator=generator)
    rows = torch.arange(len(chosen), device=chosen.device)[:, None]
    return Targets(images, masks[rows, chosen], offset)
