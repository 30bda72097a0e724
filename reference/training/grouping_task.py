"""Learning to group: features that are alike within an object, differ across its edge, and say what is seen.

A start for the image encoder, before it learns together with the decoder. A decoder that knows nothing yet draws blobs
where the prompts are, whatever the picture shows, and gives the encoder hardly anything to learn from. Here every pair
of places teaches it.

Pairs are compared with pairs of the same distance only, half of the weight on those within one object. Otherwise
features soon say where in the picture they are, since near places mostly belong together, and little else.

They are also to say what color each place is, as far as a linear readout can tell, and the best one is found anew for
each batch: half of what tells objects apart is there, and features that were not asked for it had lost it.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, normalize, softplus

from reference.modeling.sam import Sam
from reference.scenes import Scenes
from reference.training.painted_batches import PictureOptions, painted_batches
from reference.training.prompt_zones import CELL
from reference.training.rollout import decoder_input
from reference.training.scene_task import require_crop

DISTANCES = (1, 2, 3, 5, 8, 12, 18, 26)  # cells
DIRECTIONS = 2  # drawn for each distance
SHARPNESS = 5.0  # of the logistic function that turns cosines into chances
BORDERLINE = 0.5  # the cosine that says nothing
RIDGE = 1e-5  # added to the readout's normal equations, of their trace
_NO_AREA = 1 << 40  # more than any picture has


@dataclass(frozen=True)
class LabeledPictures:
    """B pictures, and what is where in them.

    Attributes:
        images: float (B, 3, H, W) RGB in 0…255.
        labels: int64 (B, H/4, W/4), the smallest instance at each cell's center, from 1; 0 without one.
    """

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "LabeledPictures":
        """The same on another device."""
        images = self.images.to(device, non_blocking=True)
        return LabeledPictures(images, self.labels.to(device, non_blocking=True))

    def pin_memory(self) -> "LabeledPictures":
        """The same in memory that a GPU can fetch by itself."""
        return LabeledPictures(self.images.pin_memory(), self.labels.pin_memory())


@dataclass(frozen=True)
class LabelPainter:
    """Paints scenes with a label map; objects are sized for the frame."""

    options: PictureOptions
    frame_size: int

    def paint(self, pictures: range, device: torch.device) -> LabeledPictures:
        """The scenes of these seeds."""
        scenes = self.options.paint(pictures, self.frame_size, device)
        return LabeledPictures(scenes.images, smallest_instances(scenes))


class Grouping(nn.Module):
    """The loss, as a module of the image encoder and the decoder's enlargement."""

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.image_encoder = sam.image_encoder
        self.upscaling = sam.mask_decoder.output_upscaling
        self.register_buffer("pixel_mean", sam.pixel_mean, persistent=False)
        self.register_buffer("pixel_std", sam.pixel_std, persistent=False)

    def forward(
        self, batch: LabeledPictures, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss; for the log, the share of pairs told right, near and far, and of color that is lost."""
        pixels = (batch.images - self.pixel_mean) / self.pixel_std
        embeddings = self.image_encoder(pixels)
        features = self.upscaling(decoder_input(embeddings)).float()
        unexplained = unexplained_colors(features, avg_pool2d(pixels, CELL))
        features = normalize(features, dim=1)
        losses, rights = [], []
        for distance in DISTANCES:
            angles = math.pi * torch.rand(DIRECTIONS, generator=generator, device=generator.device)
            pairs = [
                pair_loss(features, batch.labels, *_step(distance, a)) for a in angles.tolist()
            ]
            losses += [loss for loss, _ in pairs]
            rights += [right for _, right in pairs]
        half = len(rights) // 2
        figures = {
            "near_right": torch.stack(rights[:half]).mean(),
            "far_right": torch.stack(rights[half:]).mean(),
            "unexplained": unexplained.detach(),
        }
        return torch.stack(losses).mean() + unexplained, figures


class GroupingTask:
    """A ``Task`` of the trainer, on generated scenes."""

    def __init__(self, sam: Sam, options: PictureOptions, workers: int = 0) -> None:
        """See ``painted_batches`` for ``workers``.

        Raises:
            TrainingError: the crop does not fit the model's frame.
        """
        require_crop(options.crop, sam.frame_size)
        self.device, self.workers = sam.device, workers
        self.painter = LabelPainter(options, sam.frame_size)
        self.module = Grouping(sam)

    def batches(self, numbers: Iterable[range]) -> Iterator[LabeledPictures]:
        """Scenes by their seeds."""
        return painted_batches(self.painter, numbers, self.device, self.workers)


def smallest_instances(scenes: Scenes) -> Tensor:
    """A label map of ``LabeledPictures`` from masks: parts before their wholes."""
    start = CELL // 2
    masks = scenes.masks[..., start::CELL, start::CELL] & scenes.valid[..., None, None]
    area = scenes.masks.flatten(2).sum(2)[..., None, None]
    smallest, index = torch.where(masks, area, _NO_AREA).min(1)
    return torch.where(smallest < _NO_AREA, index + 1, 0)


def pair_loss(features: Tensor, labels: Tensor, right: int, down: int) -> tuple[Tensor, Tensor]:
    """How well unit features tell whether two places are of one instance.

    Args:
        features: (B, C, h, w), of length 1.
        labels: int (B, h, w); 0 where there is no instance. Pairs without any are left out.
        right: cells from the first place of a pair to the second; negative: to its left.
        down: likewise, not negative.

    Returns:
        The loss, with half of the weight on pairs of one instance, and the share told right, weighted alike.
    """
    cosines = (_first(features, right, down) * _second(features, right, down)).sum(1)
    logits = SHARPNESS * (cosines - BORDERLINE)
    first, second = _first(labels, right, down), _second(labels, right, down)
    together, apart = ((first == second) & (first > 0)).float(), (first != second).float()
    loss = _mean(softplus(-logits), together) + _mean(softplus(logits), apart)
    told = (logits > 0).float()
    return loss / 2, (_mean(told, together) + _mean(1 - told, apart)).detach() / 2


def unexplained_colors(features: Tensor, colors: Tensor) -> Tensor:
    """The share of the colors' variance that the best linear readout of features leaves, without its gradient.

    Args:
        features: (B, C, h, w), float32.
        colors: (B, K, h, w).
    """
    known, wanted = (each.movedim(1, -1).flatten(0, -2) for each in (features, colors))  # (n, C)
    known, wanted = known - known.mean(0), wanted - wanted.mean(0)
    with torch.no_grad():
        products = known.T @ known
        products += RIDGE * products.trace() * torch.eye(len(products), device=products.device)
        readout = torch.linalg.solve(products, known.T @ wanted)
    return (known @ readout - wanted).square().mean() / wanted.square().mean().clamp(min=1e-6)


def _step(distance: int, angle: float) -> tuple[int, int]:
    """Cells to the right and down; angles are in 0…pi, so that every pair is met once."""
    return round(distance * math.cos(angle)), round(distance * math.sin(angle))


def _first(grid: Tensor, right: int, down: int) -> Tensor:
    height, width = grid.shape[-2:]
    return grid[..., : max(0, height - down), max(0, -right) : max(0, width - max(0, right))]


def _second(grid: Tensor, right: int, down: int) -> Tensor:
    width = grid.shape[-1]
    return grid[..., down:, max(0, right) : max(0, width - max(0, -right))]


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)
