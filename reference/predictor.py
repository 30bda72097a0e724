"""Prompting a model: ``Predictor`` embeds a photo once and answers many prompts, ``SAM`` does it in one call."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reference.checkpoint import resolve_checkpoint
from reference.errors import PromptError
from reference.images import read_image
from reference.preprocessing import masks_to_photo, photo_to_frame, points_to_frame, threshold_masks
from reference.prompts import Prompt, normalize_prompts
from reference.sam import load_sam
from reference.variants import get_variant

OnStep = Callable[[str], None]


class PromptableModel(Protocol):
    """What ``Predictor`` needs of a model: ``Sam`` has it, and so has a converted artefact."""

    frame_size: int
    mean_colour: np.ndarray  # (3,) float32, what the frame is padded with

    def encode_image(self, frame: Tensor) -> Tensor: ...

    def decode_prompts(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]: ...


class Predictor:
    """Answers prompts about one photo at a time, with the semantics of the original ``SamPredictor``."""

    def __init__(self, model: PromptableModel) -> None:
        self.model = model
        self.reset_image()

    def reset_image(self) -> None:
        """Forget the photo."""
        self.features: Tensor | None = None
        self.original_size: tuple[int, int] | None = None

    def set_image(self, image: np.ndarray) -> None:
        """Embed a photo.

        Args:
            image: uint8 (H, W, 3), RGB.
        """
        photo = read_image(image)
        frame = photo_to_frame(photo, self.model.frame_size, self.model.mean_colour)
        self.features = self.model.encode_image(torch.from_numpy(frame))
        self.original_size = photo.shape[:2]

    def get_image_embedding(self) -> Tensor:
        """The photo's embeddings, (1, dim, S/16, S/16)."""
        self._require_image()
        return self.features

    def predict(
        self,
        point_coords: np.ndarray | None = None,
        point_labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
        mask_input: np.ndarray | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Answer the prompts of one object.

        Args:
            point_coords: (K, 2) x, y in pixels of the photo.
            point_labels: (K,) 1 object, 0 background.
            box: (4,) x1, y1, x2, y2 in pixels of the photo.
            mask_input: (1, S/4, S/4) logits of an earlier answer.
            multimask_output: three guesses for an ambiguous prompt, or the one answer.
            return_logits: masks as float logits, not thresholded.

        Returns:
            Masks (C, H, W), boolean; predicted IoU (C,); logits (C, S/4, S/4) for a later ``mask_input``.

        Raises:
            PromptError: no photo is set, or the prompts' shapes or values do not fit.
        """
        self._require_image()
        points = None
        if point_coords is not None or point_labels is not None:
            coords = _finite("point_coords", point_coords, (-1, 2))
            labels = _finite("point_labels", point_labels, (-1,))
            if len(coords) != len(labels) or len(coords) == 0:
                raise PromptError(
                    f"{len(coords)} point_coords with {len(labels)} point_labels: expected one label per "
                    "point, and at least one point"
                )
            points = self._to_frame(coords)[None], torch.from_numpy(labels)[None]
        boxes = None
        if box is not None:
            boxes = self._to_frame(_finite("box", box, (4,)).reshape(2, 2)).reshape(1, 4)
        if mask_input is not None:
            side = self.model.frame_size // 4
            mask_input = torch.from_numpy(_finite("mask_input", mask_input, (1, side, side)))[None]
        answers = self.predict_torch(points, boxes, mask_input, multimask_output, return_logits)
        return tuple(answer[0].numpy() for answer in answers)

    @torch.no_grad()
    def predict_torch(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Answer the prompts of B objects at once, given in pixels of the frame.

        Args:
            points: ((B, K, 2) x, y, (B, K) labels), or None.
            boxes: (B, 4) x1, y1, x2, y2, or None.
            mask_input: (B, 1, S/4, S/4) logits, or None.
            multimask_output: three guesses for an ambiguous prompt, or the one answer.
            return_logits: masks as float logits, not thresholded.

        Returns:
            (B, C, H, W) masks, (B, C) predicted IoU, (B, C, S/4, S/4) logits.
        """
        self._require_image()
        low_res_logits, scores = self.model.decode_prompts(self.features, points, boxes, mask_input)
        chosen = slice(1, None) if multimask_output else slice(0, 1)
        low_res_logits, scores = low_res_logits[:, chosen].cpu(), scores[:, chosen].cpu()
        to_masks = masks_to_photo if return_logits else threshold_masks
        masks = to_masks(low_res_logits, self.original_size, self.model.frame_size)
        return masks, scores, low_res_logits

    def _to_frame(self, points: np.ndarray) -> Tensor:
        return torch.from_numpy(points_to_frame(points, self.original_size, self.model.frame_size))

    def _require_image(self) -> None:
        if self.features is None:
            raise PromptError("no photo is set: call set_image(image) before asking about it")


def _finite(name: str, value: object, shape: tuple[int, ...]) -> np.ndarray:
    """``value`` as float32 of ``shape`` (-1: any length), or a PromptError that says what is wrong with it."""
    expected = "×".join("N" if length == -1 else str(length) for length in shape)
    try:
        array = np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise PromptError(f"{name} is not numeric: expected {expected} numbers") from None
    fits = array.ndim == len(shape) and all(
        length in (-1, actual) for length, actual in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise PromptError(f"{name} has shape {array.shape}: expected {expected} numbers")
    if not np.isfinite(array).all():
        raise PromptError(f"{name} holds NaN or infinity: expected finite numbers")
    return array


@dataclass(frozen=True)
class Segmentation:
    """The answer for one object, best mask first."""

    masks: np.ndarray  # bool (M, H, W), at the photo's own size
    scores: np.ndarray  # float32 (M,), predicted IoU
    low_res_logits: np.ndarray  # float32 (M, S/4, S/4)


def segment_objects(
    model: PromptableModel,
    image: np.ndarray,
    prompts: list[Prompt],
    multimask_output: bool | None = None,
    on_step: OnStep = lambda step: None,
) -> list[Segmentation]:
    """Embed a uint8 (H, W, 3) photo and answer one prompt per object.

    ``multimask_output`` None asks for three guesses only where the prompt is ambiguous (one point, no box), as
    the Segment Anything authors advise. ``on_step`` is told of the photo and of each object as it is begun.
    """
    predictor = Predictor(model)
    on_step("photo")
    predictor.set_image(image)
    segmentations = []
    for number, prompt in enumerate(prompts, start=1):
        on_step(f"object {number}")
        segmentations.append(_segment_object(predictor, prompt, multimask_output))
    return segmentations


def _segment_object(
    predictor: Predictor, prompt: Prompt, multimask_output: bool | None
) -> Segmentation:
    has_points = len(prompt.point_coords) > 0
    if multimask_output is None:
        multimask_output = len(prompt.point_coords) == 1 and prompt.box is None
    masks, scores, low_res_logits = predictor.predict(
        point_coords=prompt.point_coords if has_points else None,
        point_labels=prompt.point_labels if has_points else None,
        box=prompt.box,
        multimask_output=multimask_output,
    )
    best_first = np.argsort(-scores, kind="stable")
    return Segmentation(masks[best_first], scores[best_first], low_res_logits[best_first])


class SAM:
    """One call from photo and prompts to masks.

    >>> SAM("mobile_sam.pt").predict("photo.jpg", points=[900, 370], labels=[1])
    """

    def __init__(self, checkpoint: str | Path = "demo", model: str = "vit_t") -> None:
        """Load ``checkpoint``: "demo", "official", "seeded", or a ``.pt`` or ``.safetensors`` file.

        Raises:
            MobileSAMError: an unknown model, or weights that cannot be fetched, read or loaded.
        """
        variant = get_variant(model)
        self.checkpoint = resolve_checkpoint(checkpoint, variant)
        self.model = load_sam(variant, self.checkpoint)

    def predict(
        self,
        image: str | Path | Image.Image | np.ndarray,
        points: object = None,
        labels: object = None,
        bboxes: object = None,
        multimask_output: bool | None = None,
    ) -> list[Segmentation]:
        """Segment the prompted objects of a photo.

        Args:
            image: a path, a PIL image, or a uint8 RGB array (H, W, 3).
            points: ``[x, y]``, a list of points (one object each), or a list of lists of points (several
                points of one object), in pixels of the photo.
            labels: nested like ``points``: 1 object, 0 background. Default: all 1.
            bboxes: ``[x1, y1, x2, y2]`` or a list of boxes (one object each).
            multimask_output: three masks an object or one; None: three where the prompt is a single point.

        Returns:
            One ``Segmentation`` per object, in the order of the prompts.

        Raises:
            ImageError: the photo cannot be read.
            PromptError: the prompts do not make sense, or do not fit the photo.
        """
        photo = read_image(image)
        prompts = normalize_prompts(points, labels, bboxes, image_size=photo.shape[:2])
        return self.segment(photo, prompts, multimask_output)

    def segment(
        self,
        image: np.ndarray,
        prompts: list[Prompt],
        multimask_output: bool | None = None,
        on_step: OnStep = lambda step: None,
    ) -> list[Segmentation]:
        """Answer prompts in normal form about a uint8 (H, W, 3) photo; see ``segment_objects``."""
        return segment_objects(self.model, image, prompts, multimask_output, on_step)
