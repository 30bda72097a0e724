"""One round of Segment Anything's training: prompt, answer, correct, and what all answers lost.

Source: Segment Anything (Kirillov et al., 2023, appendix A). Half of the objects begin with a point, half with a box;
then each is corrected by clicks, with its last answer fed back. The first answer is judged by the best of its
three masks, so that an ambiguous prompt may have several right answers, and by mask 0 as well, because mask 0 is
what an artifact shows for a box; answers to corrected prompts by mask 0 alone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reference.modeling.sam import Sam
from reference.training.losses import balanced_loss, mask_iou, mask_loss
from reference.training.prompt_sampling import corrective_points, noisy_boxes, random_points
from reference.training.prompt_zones import box_zones, point_zones


@dataclass(frozen=True)
class Place:
    """Where pictures lie: a picture may be a crop of the frame, and has its part of the positional encoding.

    Attributes:
        frame: side of the frame in pixels, a multiple of 16. It need not be the model's: weights fit any.
        offset: x, y of the pictures' top-left corner in the frame, in pixels, multiples of 16.
    """

    frame: int
    offset: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Targets:
    """True masks of the objects that are asked about, O of each of B pictures.

    Attributes:
        images: float (B, 3, H, W) RGB in 0…255.
        masks: bool (B, O, H, W).
        place: of the pictures.
    """

    images: Tensor
    masks: Tensor
    place: Place

    def to(self, device: torch.device) -> "Targets":
        """The same on another device."""
        images = self.images.to(device, non_blocking=True)
        return Targets(images, self.masks.to(device, non_blocking=True), self.place)

    def pin_memory(self) -> "Targets":
        """The same in memory that a GPU can fetch by itself; a ``DataLoader`` asks for it."""
        return Targets(self.images.pin_memory(), self.masks.pin_memory(), self.place)


@dataclass
class _Prompts:
    """What is known of a group of objects so far."""

    coords: Tensor | None  # (N, K, 2)
    labels: Tensor | None  # (N, K)
    boxes: Tensor | None  # (N, 4)
    mask_input: Tensor | None = None  # (N, 1, h, w)

    def add_points(self, coords: Tensor, labels: Tensor) -> None:
        coords, labels = coords[:, None], labels[:, None]
        if self.coords is not None:
            coords = torch.cat([self.coords, coords], 1)
            labels = torch.cat([self.labels, labels], 1)
        self.coords, self.labels = coords, labels

    def in_frame(
        self, side: int, wanted: int
    ) -> tuple[tuple[Tensor, Tensor] | None, Tensor | None]:
        """Points and boxes for the prompt encoder: from pixels of a frame of one side to those of another."""
        coords, boxes = (
            known if known is None or side == wanted else (known + 0.5) * (wanted / side) - 0.5
            for known in (self.coords, self.boxes)
        )
        return None if coords is None else (coords, self.labels), boxes


class Rollout(nn.Module):
    """A model that is asked and corrected, as one module, so that it can be trained on several processes."""

    def __init__(self, sam: Sam, clicks: int, balance: float = 0.0) -> None:
        """Ask ``sam``.

        Args:
            sam: the model.
            clicks: how often each answer is corrected.
            balance: weight of ``balanced_loss`` of first answers.
        """
        super().__init__()
        self.sam = sam
        self.clicks, self.balance = clicks, balance

    def forward(
        self, targets: Targets, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, a mean over objects, and its parts and the masks' IoU for the log.

        Args:
            targets: every mask has a pixel; an even number of objects a picture.
            generator: on the pictures' device.
        """
        sam = self.sam
        pixels = (targets.images - sam.pixel_mean) / sam.pixel_std
        embeddings = decoder_input(sam.image_encoder(pixels))
        half = targets.masks.shape[1] // 2
        parts = []
        for masks, first in ((targets.masks[:, :half], "point"), (targets.masks[:, half:], "box")):
            group = embeddings.repeat_interleave(masks.shape[1], 0)
            parts.append(self._answer(group, masks.flatten(0, 1), first, targets.place, generator))
        loss = sum(loss for loss, _ in parts) / len(parts)
        return loss, {name: value for _, figures in parts for name, value in figures.items()}

    def _answer(
        self,
        embeddings: Tensor,
        masks: Tensor,
        first: str,
        place: Place,
        generator: torch.Generator,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The rounds of one group: (N, dim, h, w) embeddings and (N, H, W) masks."""
        target = interpolate(masks[:, None].float(), scale_factor=0.25, mode="area")[:, 0]
        shift = masks.new_tensor(place.offset, dtype=torch.float32)
        prompts = _first_prompts(masks, first, shift, generator)
        logits, scores = self._decode(embeddings, prompts, place)
        loss = _first_loss(logits, scores, target)
        if self.balance:
            zones = _zones(prompts, shift, target.shape[-2:])
            losses = balanced_loss(logits, target, zones)
            loss = loss + self.balance * _first_masks(losses).mean()
        figures = {f"{first}_iou": _shown_iou(logits, scores, target, first)}
        shown = _best_scored(logits, scores) if first == "point" else logits[:, :1]
        for _ in range(self.clicks):
            full = interpolate(shown, masks.shape[-2:], mode="bilinear")[:, 0] > 0
            points, labels = corrective_points(full, masks, generator)
            prompts.add_points(points + shift, labels)
            prompts.mask_input = shown.detach()
            logits, scores = self._decode(embeddings, prompts, place)
            loss = loss + _single_loss(logits, scores, target).mean()
            shown = logits[:, :1]
            figures[f"{first}_corrected_iou"] = mask_iou(shown, target).mean().detach()
        return loss / (1 + self.clicks), figures

    def _decode(self, embeddings: Tensor, prompts: _Prompts, place: Place) -> tuple[Tensor, Tensor]:
        sam = self.sam
        height, width = embeddings.shape[-2:]
        points, boxes = prompts.in_frame(place.frame, sam.frame_size)
        # Coordinates need more digits than bfloat16 has.
        with torch.autocast(embeddings.device.type, enabled=False):
            sparse, dense = sam.prompt_encoder(points, boxes, prompts.mask_input)
            positions = self._positions(place, height, width)
        if prompts.mask_input is None:
            # One vector, which the prompt encoder repeats over a grid as large as the model's frame.
            dense = sam.prompt_encoder.no_mask_embed.weight[..., None, None]
        positions, dense = (known.to(embeddings.dtype) for known in (positions, dense))
        logits, scores = sam.mask_decoder(embeddings, positions, sparse, dense)
        return logits.float(), scores.float()

    def _positions(self, place: Place, height: int, width: int) -> Tensor:
        """The pictures' part of the frame's positional encoding, (1, dim, height, width)."""
        x, y = (
            (distance + 16 * torch.arange(length, device=self.sam.device) + 8) / place.frame
            for distance, length in zip(place.offset, (width, height), strict=True)
        )
        return self.sam.prompt_encoder.pe_layer.encode_grid(x, y)


def decoder_input(embeddings: Tensor) -> Tensor:
    """In autocast's format: the encoder ends with a norm in float32, which the decoder's residuals would inherit."""
    device = embeddings.device.type
    if torch.is_autocast_enabled(device):
        return embeddings.to(torch.get_autocast_dtype(device))
    return embeddings


def _first_prompts(
    masks: Tensor, first: str, shift: Tensor, generator: torch.Generator
) -> _Prompts:
    if first == "box":
        return _Prompts(None, None, noisy_boxes(masks, generator) + shift.repeat(2))
    prompts = _Prompts(None, None, None)
    labels = torch.ones(len(masks), dtype=torch.long, device=masks.device)
    prompts.add_points(random_points(masks, generator) + shift, labels)
    return prompts


def _first_loss(logits: Tensor, scores: Tensor, target: Tensor) -> Tensor:
    """Of mask 0, of the best of the other three, and of all predicted IoUs."""
    losses = mask_loss(logits, target)
    error = (scores - mask_iou(logits.detach(), target)) ** 2
    return (_first_masks(losses) + error.sum(1) / 2).mean()


def _first_masks(losses: Tensor) -> Tensor:
    """(N,), of the four masks' (N, 4): mask 0's and the least of the others', which may mean something else."""
    return (losses[:, 0] + losses[:, 1:].min(1).values) / 2


def _zones(prompts: _Prompts, shift: Tensor, size: tuple[int, int]) -> Tensor:
    if prompts.boxes is not None:
        return box_zones(prompts.boxes - shift.repeat(2), size)
    return point_zones(prompts.coords[:, 0] - shift, size)


def _single_loss(logits: Tensor, scores: Tensor, target: Tensor) -> Tensor:
    """(N,), of mask 0 and its predicted IoU."""
    logits = logits[:, :1]
    error = (scores[:, :1] - mask_iou(logits.detach(), target)) ** 2
    return (mask_loss(logits, target) + error)[:, 0]


def _best_scored(logits: Tensor, scores: Tensor) -> Tensor:
    """(N, 1, h, w): of masks 1, 2 and 3 the one with the highest score."""
    best = 1 + scores[:, 1:].argmax(1)
    return logits[torch.arange(len(logits), device=logits.device), best][:, None]


def _shown_iou(logits: Tensor, scores: Tensor, target: Tensor, first: str) -> Tensor:
    """Mean IoU of the best of three for a point, of mask 0 for a box."""
    ious = mask_iou(logits, target)
    return (ious[:, 1:].max(1).values if first == "point" else ious[:, 0]).mean().detach()
