"""Learning to group: features that are similar within an object and differ across its edge.

This is a start for the image encoder, before it learns together with the decoder. An untrained decoder draws blobs at
the prompts, whatever the picture shows, so the encoder learns hardly anything from it. Here every pair of places
teaches the encoder.

Pairs are compared only with pairs of the same distance, and pairs within one object have half of the weight. Otherwise
the features would learn little more than their position in the picture, because near places mostly belong together.

The features must also tell the color of each place through a linear readout. The best readout is computed for each
batch. Half of the differences between objects are differences of color, and without this task the features lose them.
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
DIRECTIONS = 2  # random directions for each distance
SHARPNESS = 5.0  # slope of the logistic function that turns cosines into probabilities
BORDERLINE = 0.5  # the cosine with probability one half
RIDGE = 1e-5  # ridge of the readout's normal equations, relative to their trace
_NO_AREA = 1 << 40  # more pixels than any picture has


@dataclass(frozen=True)
class LabeledPictures:
    """B pictures with label maps.

    Attributes:
        images: float (B, 3, H, W), RGB in 0…255.
        labels: int64 (B, H/4, W/4), the smallest instance at the center of each cell, from 1, or 0 without an instance.
    """

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "LabeledPictures":
        """Return the same pictures on another device."""
        images = self.images.to(device, non_blocking=True)
        return LabeledPictures(images, self.labels.to(device, non_blocking=True))

    def pin_memory(self) -> "LabeledPictures":
        """Return the same pictures in pinned memory, which a GPU can read directly."""
        return LabeledPictures(self.images.pin_memory(), self.labels.pin_memory())


@dataclass(frozen=True)
class LabelPainter:
    """Paints scenes with label maps. The sizes of objects are relative to the frame."""

    options: PictureOptions
    frame_size: int

    def paint(self, pictures: range, device: torch.device) -> LabeledPictures:
        """Paint the scenes with these seeds."""
        scenes = self.options.paint(pictures, self.frame_size, device)
        return LabeledPictures(scenes.images, smallest_instances(scenes))


class Grouping(nn.Module):
    """The loss as a module, which contains the image encoder and the upscaling layers of the decoder."""

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.image_encoder = sam.image_encoder
        self.upscaling = sam.mask_decoder.output_upscaling
        self.register_buffer("pixel_mean", sam.pixel_mean, persistent=False)
        self.register_buffer("pixel_std", sam.pixel_std, persistent=False)

    def forward(
        self, batch: LabeledPictures, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, and for the log the share of correct pairs, near and far, and the share of lost color."""
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
    """A ``Task`` of the trainer that teaches grouping on generated scenes."""

    def __init__(self, sam: Sam, options: PictureOptions, workers: int = 0) -> None:
        """Prepare the task.

        Args:
            sam: the model.
            options: the scenes to show.
            workers: number of processes that paint scenes on the CPU. With 0, this process paints them.

        Raises:
            TrainingError: the crop does not fit the frame of the model.
        """
        require_crop(options.crop, sam.frame_size)
        self.device, self.workers = sam.device, workers
        self.painter = LabelPainter(options, sam.frame_size)
        self.module = Grouping(sam)

    def batches(self, numbers: Iterable[range]) -> Iterator[LabeledPictures]:
        """Yield a batch of scenes for each range of seeds."""
        return painted_batches(self.painter, numbers, self.device, self.workers)


def smallest_instances(scenes: Scenes) -> Tensor:
    """Return the labels of ``LabeledPictures`` for scenes. A part takes precedence over its whole."""
    start = CELL // 2
    masks = scenes.masks[..., start::CELL, start::CELL] & scenes.valid[..., None, None]
    area = scenes.masks.flatten(2).sum(2)[..., None, None]
    smallest, index = torch.where(masks, area, _NO_AREA).min(1)
    return torch.where(smallest < _NO_AREA, index + 1, 0)


def pair_loss(features: Tensor, labels: Tensor, right: int, down: int) -> tuple[Tensor, Tensor]:
    """Measure how well features tell whether two places belong to one instance.

    Args:
        features: (B, C, h, w), feature vectors of length 1.
        labels: int (B, h, w), 0 where there is no instance. Pairs without an instance are left out.
        right: cells to the right from the first place of a pair to the second. A negative number means to the left.
        down: cells down from the first place to the second, not negative.

    Returns:
        The loss and the share of correct pairs. In both, pairs within one instance have half of the weight.
    """
    cosines = (_first(features, right, down) * _second(features, right, down)).sum(1)
    logits = SHARPNESS * (cosines - BORDERLINE)
    first, second = _first(labels, right, down), _second(labels, right, down)
    together, apart = ((first == second) & (first > 0)).float(), (first != second).float()
    loss = _mean(softplus(-logits), together) + _mean(softplus(logits), apart)
    told = (logits > 0).float()
    return loss / 2, (_mean(told, together) + _mean(1 - told, apart)).detach() / 2


def unexplained_colors(features: Tensor, colors: Tensor) -> Tensor:
    """Return the share of the variance of colors that the best linear readout of the features does not explain.

    The readout itself gets no gradient.

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
    """Convert a distance and an angle to cells to the right and down. Angles in 0…pi reach every pair once."""
    return round(distance * math.cos(angle)), round(distance * math.sin(angle))


def _first(grid: Tensor, right: int, down: int) -> Tensor:
    height, width = grid.shape[-2:]
    return grid[..., : max(0, height - down), max(0, -right) : max(0, width - max(0, right))]


def _second(grid: Tensor, right: int, down: int) -> Tensor:
    width = grid.shape[-1]
    return grid[..., down:, max(0, right) : max(0, width - max(0, -right))]


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)
