"""The four stages from a photo to a mask, each replaceable, so that a loss can be traced to its stage."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from converters.samples import SampleCase
from reference.photos.preprocessing import masks_to_photo, photo_to_frame
from reference.predictor import PromptableModel
from validation.questions.cases import Answer


class PhotoArithmetic:
    """The arithmetic around a model: from a photo to its frame, and from mask logits to the photo's masks.

    Attributes:
        frame_size: side S of the frame, in pixels.
    """

    def __init__(
        self, frame_size: int, padding_rgb: np.ndarray, mask_threshold: float = 0.0
    ) -> None:
        """Take the conventions that the arithmetic follows.

        Args:
            frame_size: side S of the frame, in pixels.
            padding_rgb: color of the padding, float32 (3,) in 0…255.
            mask_threshold: the logit above which a pixel belongs to the object.
        """
        self.frame_size = frame_size
        self._padding_rgb, self._mask_threshold = padding_rgb, mask_threshold

    def preprocess(self, pixels: np.ndarray) -> Tensor:
        """Turn a photo, uint8 (H, W, 3), into a frame, float32 (1, 3, S, S) RGB in 0…255."""
        return torch.from_numpy(photo_to_frame(pixels, self.frame_size, self._padding_rgb))

    def resize(self, low_res_mask: Tensor, photo_size: tuple[int, int]) -> np.ndarray:
        """Turn (1, 1, S/4, S/4) logits into the boolean (H, W) mask of a photo of (height, width)."""
        logits = masks_to_photo(low_res_mask, photo_size, self.frame_size)
        return (logits[0, 0] > self._mask_threshold).numpy()

    def resize_all(self, low_res_masks: Tensor, photo_size: tuple[int, int]) -> list[np.ndarray]:
        """Turn (1, M, S/4, S/4) logits into M masks, one after the other to save memory on large photos."""
        count = low_res_masks.shape[1]
        return [self.resize(low_res_masks[:, i : i + 1], photo_size) for i in range(count)]


class PhotoPipeline(PhotoArithmetic):
    """A model with the arithmetic around it: the reference, or an artifact as an app runs it.

    Attributes:
        model: the model that is prompted.
    """

    def __init__(self, model: PromptableModel, mask_threshold: float = 0.0) -> None:
        super().__init__(model.frame_size, model.mean_color, mask_threshold)
        self.model = model

    def encode(self, frame: Tensor) -> Tensor:
        """Turn a frame, (1, 3, S, S), into image embeddings, (1, dim, S/16, S/16)."""
        return self.model.encode_image(frame)

    def decode(
        self,
        image_embeddings: Tensor,
        case: SampleCase,
        photo_size: tuple[int, int],
        mask_input: Tensor | None,
    ) -> Answer:
        """Answer one prompt about a photo.

        Args:
            image_embeddings: image embeddings of the photo, (1, dim, S/16, S/16).
            case: the prompt, in pixels of the photo.
            photo_size: the photo's (height, width) in pixels.
            mask_input: the mask that the case refines, (1, 1, S/4, S/4) logits; None if it refines none.
        """
        points, box = case.in_frame(photo_size, self.frame_size)
        return Answer(*self.model.decode_prompts(image_embeddings, points, box, mask_input))


class CachedPipeline(PhotoPipeline):
    """A pipeline that encodes each frame only once, for several artifacts that are compared with one reference."""

    def __init__(self, model: PromptableModel) -> None:
        super().__init__(model)
        self._embeddings: dict[bytes, Tensor] = {}

    def encode(self, frame: Tensor) -> Tensor:
        key = hashlib.blake2b(frame.numpy().tobytes()).digest()
        if key not in self._embeddings:
            self._embeddings[key] = super().encode(frame)
        return self._embeddings[key]
