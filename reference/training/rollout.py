"""One round of Segment Anything's training: prompt the model, correct its answers, and compute the loss of all answers.

Source: Segment Anything (Kirillov et al., 2023, appendix A). Half of the objects begin with a point and half with a
box. Each answer is then corrected by clicks, with the last mask as mask input.

The loss of a first answer is that of its best mask among 1 to 3, so that an ambiguous prompt may have several right
answers. Mask 0 counts too, because an artifact shows it for a box. The loss of later answers is that of mask 0 alone.
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
    """The place of pictures in the frame. A picture may be a crop, with its part of the positional encoding.

    Attributes:
        frame: side of the frame in pixels, a multiple of 16. It may differ from the frame of the model, because weights
            fit frames of any size.
        offset: x and y of the top-left corner of the pictures in the frame, in pixels, multiples of 16.
    """

    frame: int
    offset: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Targets:
    """Pictures, and the true masks of the objects to ask about: O objects in each of B pictures.

    Attributes:
        images: float (B, 3, H, W), RGB in 0…255.
        masks: bool (B, O, H, W).
        place: place of the pictures in the frame.
    """

    images: Tensor
    masks: Tensor
    place: Place

    def to(self, device: torch.device) -> "Targets":
        """Return the same targets on another device."""
        images = self.images.to(device, non_blocking=True)
        return Targets(images, self.masks.to(device, non_blocking=True), self.place)

    def pin_memory(self) -> "Targets":
        """Return the same targets in pinned memory, which a GPU can read directly. A ``DataLoader`` calls this."""
        return Targets(self.images.pin_memory(), self.masks.pin_memory(), self.place)


@dataclass
class _Prompts:
    """The prompts of a group of objects so far."""

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
        """Convert points and boxes from a frame of one side to a frame of another, for the prompt encoder."""
        coords, boxes = (
            known if known is None or side == wanted else (known + 0.5) * (wanted / side) - 0.5
            for known in (self.coords, self.boxes)
        )
        return None if coords is None else (coords, self.labels), boxes


class Rollout(nn.Module):
    """The rounds of prompts and answers as one module, so that several processes can train it."""

    def __init__(self, sam: Sam, clicks: int, balance: float = 0.0) -> None:
        """Prepare to prompt ``sam``.

        Args:
            sam: the model.
            clicks: number of corrective clicks after each answer.
            balance: weight of the ``balanced_loss`` of first answers.
        """
        super().__init__()
        self.sam = sam
        self.clicks, self.balance = clicks, balance

    def forward(
        self, targets: Targets, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, as a mean over objects, and the IoU of the masks for the log.

        Args:
            targets: pictures with an even number of objects each. No mask may be empty.
            generator: a generator on the device of the pictures.
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
        """Run the rounds of one group of objects, with embeddings (N, dim, h, w) and masks (N, H, W)."""
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
            # The prompt encoder repeats one vector over a grid as large as the model's frame. One vector is enough.
            dense = sam.prompt_encoder.no_mask_embed.weight[..., None, None]
        positions, dense = (known.to(embeddings.dtype) for known in (positions, dense))
        logits, scores = sam.mask_decoder(embeddings, positions, sparse, dense)
        return logits.float(), scores.float()

    def _positions(self, place: Place, height: int, width: int) -> Tensor:
        """Return the positional encoding of the pictures' part of the frame, (1, dim, height, width)."""
        x, y = (
            (distance + 16 * torch.arange(length, device=self.sam.device) + 8) / place.frame
            for distance, length in zip(place.offset, (width, height), strict=True)
        )
        return self.sam.prompt_encoder.pe_layer.encode_grid(x, y)


def decoder_input(embeddings: Tensor) -> Tensor:
    """Convert embeddings to the format of autocast.

    The encoder ends with a normalization in float32, and the residuals of the decoder would inherit float32 from it.
    """
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
    """Return the loss of mask 0, of the best of the other three masks, and of all predicted IoUs."""
    losses = mask_loss(logits, target)
    error = (scores - mask_iou(logits.detach(), target)) ** 2
    return (_first_masks(losses) + error.sum(1) / 2).mean()


def _first_masks(losses: Tensor) -> Tensor:
    """Return the mean (N,) of the loss of mask 0 and the lowest loss of masks 1 to 3, given all losses (N, 4)."""
    return (losses[:, 0] + losses[:, 1:].min(1).values) / 2


def _zones(prompts: _Prompts, shift: Tensor, size: tuple[int, int]) -> Tensor:
    if prompts.boxes is not None:
        return box_zones(prompts.boxes - shift.repeat(2), size)
    return point_zones(prompts.coords[:, 0] - shift, size)


def _single_loss(logits: Tensor, scores: Tensor, target: Tensor) -> Tensor:
    """Return the loss (N,) of mask 0 and its predicted IoU."""
    logits = logits[:, :1]
    error = (scores[:, :1] - mask_iou(logits.detach(), target)) ** 2
    return (mask_loss(logits, target) + error)[:, 0]


def _best_scored(logits: Tensor, scores: Tensor) -> Tensor:
    """Return the mask with the highest score among masks 1, 2 and 3: (N, 1, h, w)."""
    best = 1 + scores[:, 1:].argmax(1)
    return logits[torch.arange(len(logits), device=logits.device), best][:, None]


def _shown_iou(logits: Tensor, scores: Tensor, target: Tensor, first: str) -> Tensor:
    """Return the mean IoU of the best of masks 1 to 3 for a point, and of mask 0 for a box."""
    ious = mask_iou(logits, target)
    return (ious[:, 1:].max(1).values if first == "point" else ious[:, 0]).mean().detach()
