"""Prompting a model: ``Predictor`` embeds a photo once and answers many prompts, ``SAM`` does it in one call."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from reference.common.errors import ImageError, PromptError
from reference.common.plain_text import quote
from reference.photos.images import read_image
from reference.photos.preprocessing import (
    masks_to_photo,
    photo_to_frame,
    points_to_frame,
    resized_size,
    threshold_masks,
)
from reference.photos.resize_longest_side import ResizeLongestSide
from reference.predictor_arguments import (
    box_of_one_object,
    boxes_of_objects,
    one_batch,
    points_of_objects,
    points_of_one_object,
    shaped,
)
from reference.prompt_arrays import check_boxes, check_points


class PromptableModel(Protocol):
    """What ``Predictor`` needs of a model: ``Sam`` has it, and so has a converted artifact."""

    frame_size: int
    mean_color: np.ndarray  # (3,) float32, what the frame is padded with

    def encode_image(self, frame: Tensor) -> Tensor: ...

    def decode_prompts(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]: ...


class Predictor:
    """Answers prompts about one photo at a time: the original ``SamPredictor``, call by call.

    What the original answers, this answers alike; docs/prompts.md says where it refuses more.

    Attributes:
        model: what is asked.
        transform: from pixels of a photo to pixels of the frame.
        is_image_set: whether there is a photo to ask about.
        features: its embeddings, (1, dim, S/16, S/16); None without a photo.
        original_size: its (height, width); None without a photo.
        input_size: its (height, width) in the frame; None without a photo.
    """

    def __init__(self, sam_model: PromptableModel) -> None:
        self.model = sam_model
        self.transform = ResizeLongestSide(sam_model.frame_size)
        self.reset_image()

    def reset_image(self) -> None:
        """Forget the photo."""
        self.is_image_set = False
        self.features: Tensor | None = None
        self.original_size: tuple[int, int] | None = None
        self.input_size: tuple[int, int] | None = None

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return getattr(self.model, "device", torch.device("cpu"))  # artifacts run on the CPU

    def set_image(self, image: np.ndarray, image_format: str = "RGB") -> None:
        """Embed a photo.

        Args:
            image: uint8 (H, W, 3); or whatever ``read_image`` takes.
            image_format: order of an array's channels, "RGB" or "BGR" (OpenCV's).

        Raises:
            ImageError: the photo cannot be read, or ``image_format`` does not fit it.
        """
        photo = read_image(_as_rgb(image, image_format))
        frame = photo_to_frame(photo, self.model.frame_size, self.model.mean_color)
        size = photo.shape[:2]
        self._embed(frame, size, resized_size(*size, self.model.frame_size))

    def set_torch_image(
        self, transformed_image: Tensor, original_image_size: tuple[int, int]
    ) -> None:
        """Embed a photo that is in the frame's scale already, as ``transform.apply_image`` brings it there.

        Args:
            transformed_image: (1, 3, h, w), RGB in 0…255, of which the longer side is S.
            original_image_size: the photo's own (height, width).

        Raises:
            ImageError: either is something else.
        """
        try:
            pixels = torch.as_tensor(transformed_image).detach()
        except (TypeError, ValueError, RuntimeError):
            raise ImageError(
                f"transformed_image is of type {type(transformed_image).__name__}: expected a tensor"
            ) from None
        side, shape = self.model.frame_size, tuple(pixels.shape)
        if len(shape) != 4 or shape[:2] != (1, 3) or max(shape[2:]) != side or min(shape) < 1:
            raise ImageError(
                f"transformed_image has shape {shape}: expected (1, 3, h, w) with a longer side of "
                f"{side}, as transform.apply_image and permute(2, 0, 1)[None] give it"
            )
        if not pixels.isfinite().all():
            raise ImageError("transformed_image holds NaN or infinity: expected RGB in 0…255")
        try:
            height, width = map(int, original_image_size)
        except (TypeError, ValueError, OverflowError):
            height = width = 0
        if min(height, width) < 1:
            raise ImageError(
                f"original_image_size is {quote(original_image_size)}: expected the photo's "
                "(height, width)"
            )
        frame = np.empty((1, 3, side, side), np.float32)
        frame[:] = self.model.mean_color.reshape(1, 3, 1, 1)
        frame[..., : shape[2], : shape[3]] = pixels.cpu().float().numpy()
        self._embed(frame, (height, width), shape[2:])

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
        """Answer the prompts of one object. Arrays, lists and tensors are all taken.

        Args:
            point_coords: (K, 2) or (1, K, 2) x, y in pixels of the photo, its far edges included.
            point_labels: (K,) or (1, K), 1 object, 0 background, −1 for a point that stands for none.
            box: (4,) or (1, 4) x1, y1, x2, y2 in pixels of the photo. It may stick out of it.
            mask_input: (1, S/4, S/4) logits of an earlier answer.
            multimask_output: three guesses for an ambiguous prompt, or the one answer.
            return_logits: masks as float logits, not thresholded.

        Returns:
            Masks (C, H, W), boolean; predicted IoU (C,); logits (C, S/4, S/4) for a later ``mask_input``.

        Raises:
            PromptError: no photo is set, or the prompts' shapes or values do not fit.
        """
        self._require_image()
        points = boxes = None
        if point_coords is not None or point_labels is not None:
            coords, labels = points_of_one_object(point_coords, point_labels)
            if len(coords) == 0 and box is None and mask_input is None:
                raise PromptError("no points in point_coords: expected one, a box or a mask_input")
            check_points(coords, labels, self.original_size)
            points = self._to_frame(coords)[None], torch.from_numpy(labels)[None]
        if box is not None:
            corners = box_of_one_object(box)
            check_boxes(corners, self.original_size)
            boxes = self._to_frame(corners.reshape(1, 2, 2)).reshape(1, 4)
        if mask_input is not None:
            mask_input = self._logits(mask_input, (1,))[None]
        answers = self._answer(points, boxes, mask_input, multimask_output, return_logits)
        return tuple(answer[0].cpu().numpy() for answer in answers)

    def predict_torch(
        self,
        point_coords: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Answer the prompts of B objects at once, given in pixels of the frame; see ``transform``.

        Args:
            point_coords: (B, K, 2) x, y, or None.
            point_labels: (B, K), 1 object, 0 background, −1 for a point that stands for none; or None.
            boxes: (B, 4) x1, y1, x2, y2, or None.
            mask_input: (B, 1, S/4, S/4) logits; (1, 1, S/4, S/4) or (1, S/4, S/4), for all objects; or
                None.
            multimask_output: three guesses for an ambiguous prompt, or the one answer.
            return_logits: masks as float logits, not thresholded.

        Returns:
            (B, C, H, W) masks, (B, C) predicted IoU, (B, C, S/4, S/4) logits, on the model's device.

        Raises:
            PromptError: no photo is set, or the prompts' shapes or values do not fit.
        """
        self._require_image()
        points = None
        if point_coords is not None or point_labels is not None:
            coords, labels = points_of_objects(point_coords, point_labels)
            check_points(coords, labels, self.input_size, "the resized photo")
            points = torch.from_numpy(coords).float(), torch.from_numpy(labels)
        if boxes is not None:
            corners = boxes_of_objects(boxes)
            check_boxes(corners, self.input_size, "the resized photo")
            boxes = torch.from_numpy(corners).float()
        if mask_input is not None:
            is_one = (
                getattr(mask_input, "ndim", 4) == 3
            )  # without a batch axis, as predict takes it
            logits = self._logits(mask_input, (1,) if is_one else (-1, 1))
            mask_input = logits[None] if is_one else logits
        points, boxes, mask_input = one_batch(points, boxes, mask_input)
        return self._answer(points, boxes, mask_input, multimask_output, return_logits)

    @torch.no_grad()
    def _embed(
        self, frame: np.ndarray, original_size: tuple[int, int], input_size: tuple[int, int]
    ) -> None:
        """Keep the embeddings of a (1, 3, S, S) frame; those before are forgotten even if this fails."""
        self.reset_image()
        self.features = self.model.encode_image(torch.from_numpy(frame))
        self.original_size, self.input_size = original_size, input_size
        self.is_image_set = True

    @torch.no_grad()
    def _answer(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        mask_input: Tensor | None,
        multimask_output: bool,
        return_logits: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``predict_torch`` for prompts that were checked."""
        low_res_logits, scores = self.model.decode_prompts(self.features, points, boxes, mask_input)
        chosen = slice(1, None) if multimask_output else slice(0, 1)
        low_res_logits, scores = low_res_logits[:, chosen], scores[:, chosen]
        to_masks = masks_to_photo if return_logits else threshold_masks
        frame_size = self.model.frame_size
        masks = to_masks(low_res_logits, self.original_size, frame_size, self.input_size)
        return masks, scores, low_res_logits

    def _to_frame(self, points: np.ndarray) -> Tensor:
        return torch.from_numpy(points_to_frame(points, self.original_size, self.model.frame_size))

    def _logits(self, mask_input: object, leading: tuple[int, ...]) -> Tensor:
        """A mask prompt as float32 of the low-resolution masks' size, after ``leading`` axes."""
        side = self.model.frame_size // 4
        logits = torch.from_numpy(shaped("mask_input", mask_input, (*leading, side, side))).float()
        if not logits.isfinite().all():
            raise PromptError("mask_input holds numbers beyond float32's largest: expected logits")
        return logits

    def _require_image(self) -> None:
        if not self.is_image_set:
            raise PromptError("no photo is set: call set_image(image) before asking about it")


def _as_rgb(image: object, image_format: str) -> object:
    """An image whose channels are in the order that ``read_image`` takes them for."""
    if image_format not in ("RGB", "BGR"):
        raise ImageError(f"image_format {quote(image_format)}: expected 'RGB' or 'BGR'")
    if image_format == "RGB":
        return image
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] not in (3, 4):
        raise ImageError(
            "image_format 'BGR' is for arrays of shape (H, W, 3) or (H, W, 4): pass 'RGB' for others"
        )
    return image[..., [2, 1, 0, 3][: image.shape[2]]]
