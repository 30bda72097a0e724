"""``Predictor``: embed a photo once, then answer many prompts about it."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from reference.common.errors import PromptError
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
    as_rgb,
    box_of_one_object,
    boxes_of_objects,
    logits_of_masks,
    one_batch,
    points_of_objects,
    points_of_one_object,
    resized_photo,
    size_of_photo,
)
from reference.prompt_arrays import check_boxes, check_points


class PromptableModel(Protocol):
    """The interface that ``Predictor`` needs of a model. ``Sam`` and converted artifacts have it."""

    @property
    def frame_size(self) -> int:
        """The side S of the frame, in pixels."""
        ...

    @property
    def mean_color(self) -> np.ndarray:
        """The color that pads the frame, float32 (3,) RGB in 0…255."""
        ...

    def encode_image(self, frame: Tensor) -> Tensor: ...

    def decode_prompts(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]: ...


class _EmbeddedPhoto(NamedTuple):
    features: Tensor
    original_size: tuple[int, int]
    input_size: tuple[int, int]


class Predictor:
    """Answers many prompts about one photo, with the methods of Segment Anything's ``SamPredictor``.

    The photo is embedded once, by ``set_image``. Each ``predict`` then runs the mask decoder only. Programs written
    for ``SamPredictor`` get the same answers. docs/prompts.md lists the prompts that are refused here and not there.

    The frame is the model's square input of S × S pixels (S is 1024 for MobileSAM). The resized photo fills its top
    left.

    Example:
        >>> predictor = Predictor(build_sam("vit_t", checkpoint="mobile_sam.pt"))
        >>> predictor.set_image(photo)
        >>> masks, scores, logits = predictor.predict(point_coords=[[900, 370]], point_labels=[1])

    Attributes:
        model: the model that answers.
        transform: converts pixels of a photo to pixels of the frame.
        is_image_set: whether a photo is set.
        features: image embeddings of the photo, (1, dim, S/16, S/16), or None without a photo.
        original_size: (height, width) of the photo, or None without a photo.
        input_size: (height, width) of the resized photo in the frame, or None without a photo.
    """

    def __init__(self, sam_model: PromptableModel) -> None:
        """Prepare to ask ``sam_model``, which is a ``Sam`` or a converted artifact."""
        self.model = sam_model
        self.transform = ResizeLongestSide(sam_model.frame_size)
        self.reset_image()

    def reset_image(self) -> None:
        """Forget the photo and its embeddings."""
        self.is_image_set = False
        self.features: Tensor | None = None
        self.original_size: tuple[int, int] | None = None
        self.input_size: tuple[int, int] | None = None

    @property
    def device(self) -> torch.device:
        """The device on which the model computes."""
        return getattr(self.model, "device", torch.device("cpu"))  # artifacts run on the CPU

    def set_image(self, image: np.ndarray, image_format: str = "RGB") -> None:
        """Embed a photo, to ask about it with ``predict`` or ``predict_torch``.

        Args:
            image: uint8 (H, W, 3), a path, or a PIL image.
            image_format: channel order of an array, "RGB" or "BGR". OpenCV reads photos as "BGR".

        Raises:
            ImageError: the photo cannot be read, or ``image_format`` does not fit it.
        """
        photo = read_image(as_rgb(image, image_format))
        frame = photo_to_frame(photo, self.model.frame_size, self.model.mean_color)
        height, width = photo.shape[:2]
        resized = resized_size(height, width, self.model.frame_size)
        self._embed(frame, (height, width), resized)

    def set_torch_image(
        self, transformed_image: Tensor, original_image_size: tuple[int, int]
    ) -> None:
        """Embed a photo that ``transform.apply_image`` has already resized.

        Args:
            transformed_image: (1, 3, h, w), RGB in 0…255. The longer of h and w is S.
            original_image_size: (height, width) of the photo before it was resized.

        Raises:
            ImageError: an argument has another type, shape or value range.
        """
        side = self.model.frame_size
        pixels = resized_photo(transformed_image, side)
        size = size_of_photo(original_image_size)
        height, width = pixels.shape[2:]
        frame = np.empty((1, 3, side, side), np.float32)
        frame[:] = self.model.mean_color.reshape(1, 3, 1, 1)
        frame[..., :height, :width] = pixels.cpu().float().numpy()
        self._embed(frame, size, (height, width))

    def get_image_embedding(self) -> Tensor:
        """Return the image embeddings of the photo, (1, dim, S/16, S/16).

        Raises:
            PromptError: no photo is set.
        """
        return self._require_image().features

    def predict(
        self,
        point_coords: np.ndarray | None = None,
        point_labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
        mask_input: np.ndarray | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Predict the masks of one object.

        The prompts are arrays, lists or tensors. Coordinates are pixels of the photo, x before y, with (0, 0) at its
        top-left corner.

        Args:
            point_coords: (K, 2) or (1, K, 2), x and y of each point. A point may lie on the far edge of the photo.
            point_labels: (K,) or (1, K), 1 for a point on the object and 0 for the background. −1 marks a padding
                point, which stands for no point.
            box: (4,) or (1, 4), x1, y1, x2, y2. The box may extend beyond the photo.
            mask_input: (1, S/4, S/4), logits that an earlier call returned.
            multimask_output: whether to return three masks, for an ambiguous prompt, instead of one.
            return_logits: whether to return the masks as float logits instead of booleans.

        Returns:
            Three arrays: masks, bool (C, H, W); the predicted IoU of each mask, float32 (C,); and logits, float32
            (C, S/4, S/4), for a later ``mask_input``. C is 3 or 1. The masks are not sorted by score.

        Raises:
            PromptError: no photo is set, or a prompt has an invalid shape or value.
        """
        original_size = self._require_image().original_size
        points = boxes = mask = None
        if point_coords is not None or point_labels is not None:
            coords, labels = points_of_one_object(point_coords, point_labels)
            if len(coords) == 0 and box is None and mask_input is None:
                raise PromptError(
                    "point_coords is empty: expected at least one point, a box or a mask_input"
                )
            check_points(coords, labels, original_size)
            points = self._to_frame(coords)[None], torch.from_numpy(labels)[None]
        if box is not None:
            corners = box_of_one_object(box)
            check_boxes(corners, original_size)
            boxes = self._to_frame(corners.reshape(1, 2, 2)).reshape(1, 4)
        if mask_input is not None:
            mask = self._logits(mask_input, (1,))[None]
        answers = self._answer(points, boxes, mask, multimask_output, return_logits)
        masks, scores, logits = (answer[0].cpu().numpy() for answer in answers)
        return masks, scores, logits

    def predict_torch(
        self,
        point_coords: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the masks of B objects at once.

        Coordinates are pixels of the frame, not of the photo. ``transform.apply_coords_torch`` and
        ``transform.apply_boxes_torch`` convert them.

        Args:
            point_coords: (B, K, 2), x and y of each point, or None.
            point_labels: (B, K), 1 for a point on the object, 0 for the background and −1 for a padding point, or None.
            boxes: (B, 4), x1, y1, x2, y2 of each object, or None.
            mask_input: (B, 1, S/4, S/4), logits that an earlier call returned, or None. A single mask of shape
                (1, 1, S/4, S/4) or (1, S/4, S/4) serves all objects.
            multimask_output: whether to return three masks per object, for ambiguous prompts, instead of one.
            return_logits: whether to return the masks as float logits instead of booleans.

        Returns:
            Three tensors on the model's device: masks (B, C, H, W) at the size of the photo, the predicted IoU of each
            mask (B, C), and logits (B, C, S/4, S/4) for a later ``mask_input``. C is 3 or 1.

        Raises:
            PromptError: no photo is set, or a prompt has an invalid shape or value.
        """
        input_size = self._require_image().input_size
        points = None
        if point_coords is not None or point_labels is not None:
            coords, labels = points_of_objects(point_coords, point_labels)
            check_points(coords, labels, input_size, "the resized photo")
            points = torch.from_numpy(coords).float(), torch.from_numpy(labels)
        if boxes is not None:
            corners = boxes_of_objects(boxes)
            check_boxes(corners, input_size, "the resized photo")
            boxes = torch.from_numpy(corners).float()
        if mask_input is not None:
            # A mask with three axes has no batch axis. ``predict`` takes it like this.
            is_one = getattr(mask_input, "ndim", 4) == 3
            logits = self._logits(mask_input, (1,) if is_one else (-1, 1))
            mask_input = logits[None] if is_one else logits
        points, boxes, mask_input = one_batch(points, boxes, mask_input)
        return self._answer(points, boxes, mask_input, multimask_output, return_logits)

    @torch.no_grad()
    def _embed(
        self, frame: np.ndarray, original_size: tuple[int, int], input_size: tuple[int, int]
    ) -> None:
        """Embed a (1, 3, S, S) frame. The photo before it is forgotten even if this fails."""
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
        """Answer prompts that were checked; returns what ``predict_torch`` returns."""
        photo = self._require_image()
        low_res_logits, scores = self.model.decode_prompts(
            photo.features, points, boxes, mask_input
        )
        chosen = slice(1, None) if multimask_output else slice(0, 1)
        low_res_logits, scores = low_res_logits[:, chosen], scores[:, chosen]
        to_masks = masks_to_photo if return_logits else threshold_masks
        frame_size = self.model.frame_size
        masks = to_masks(low_res_logits, photo.original_size, frame_size, photo.input_size)
        return masks, scores, low_res_logits

    def _to_frame(self, points: np.ndarray) -> Tensor:
        size = self._require_image().original_size
        return torch.from_numpy(points_to_frame(points, size, self.model.frame_size))

    def _logits(self, mask_input: object, leading: tuple[int, ...]) -> Tensor:
        """Return a mask prompt as a float32 tensor (*leading, S/4, S/4)."""
        return logits_of_masks(mask_input, leading, self.model.frame_size // 4)

    def _require_image(self) -> _EmbeddedPhoto:
        features, original_size, input_size = self.features, self.original_size, self.input_size
        if not self.is_image_set or features is None or not original_size or not input_size:
            raise PromptError("no photo is set: call set_image(image) before asking about it")
        return _EmbeddedPhoto(features, original_size, input_size)
