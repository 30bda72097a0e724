"""The four stages from a photo to a mask, each replaceable, so that a loss can be traced to its stage."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from converters.samples import SampleCase
from reference.photos.preprocessing import masks_to_photo, photo_to_frame
from reference.predictor import PromptableModel
from validation.questions.answer_store import DECODE, ENCODE, AnswerStore
from validation.questions.cases import Answer

MOST_MEMORY = 1 << 29  # bytes of answers that a ``CachedPipeline`` keeps in memory


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

    def makes_frames_of(self, other: "PhotoArithmetic") -> bool:
        """Whether ``preprocess`` of both gives the same frame for every photo."""
        return (
            type(self).preprocess is type(other).preprocess
            and self.frame_size == other.frame_size
            and np.array_equal(self._padding_rgb, other._padding_rgb)
        )

    def makes_masks_of(self, other: "PhotoArithmetic") -> bool:
        """Whether ``resize`` of both gives the same mask for all logits."""
        return (
            type(self).resize is type(other).resize
            and self.frame_size == other.frame_size
            and self._mask_threshold == other._mask_threshold
        )

    def preprocess(self, pixels: np.ndarray) -> Tensor:
        """Turn a photo, uint8 (H, W, 3), into a frame, float32 (1, 3, S, S) RGB in 0…255."""
        return torch.from_numpy(photo_to_frame(pixels, self.frame_size, self._padding_rgb))

    def with_exact_padding(self, frame: Tensor, own_frame: Tensor) -> Tensor:
        """Return a frame whose padding counts as this one's, if it has the nearest color of whole numbers.

        Images of 8-bit pixels cannot be padded with the mean color, so encoders that take such images count the nearest
        color as the mean color.

        Args:
            frame: the frame of a photo, float32 (1, 3, S, S), from another arithmetic.
            own_frame: what ``preprocess`` makes of the same photo.
        """
        padding = torch.from_numpy(self._padding_rgb)[:, None, None]
        is_padding = (own_frame == padding) & (frame == padding.round())
        return torch.where(is_padding.all(1, keepdim=True), own_frame, frame)

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
    """The reference, which computes the answer to each question once, for all artifacts that are compared with it."""

    def __init__(self, model: PromptableModel, store: AnswerStore | None = None) -> None:
        """Take the model, and a store to keep answers in between runs; without one they are kept in memory only."""
        super().__init__(model)
        self._store = store
        self._memory: OrderedDict[bytes, tuple[Tensor, ...]] = OrderedDict()
        self._size = 0  # bytes in memory

    def encode(self, frame: Tensor) -> Tensor:
        """Turn a frame, (1, 3, S, S), into image embeddings, (1, dim, S/16, S/16)."""
        (embeddings,) = self._answer(ENCODE, (frame,), lambda: (self.model.encode_image(frame),))
        return embeddings

    def decode(
        self,
        image_embeddings: Tensor,
        case: SampleCase,
        photo_size: tuple[int, int],
        mask_input: Tensor | None,
    ) -> Answer:
        """Answer one prompt about a photo, as ``PhotoPipeline.decode`` does."""
        points, box = case.in_frame(photo_size, self.frame_size)
        inputs = image_embeddings, *(points or (None, None)), box, mask_input
        return Answer(
            *self._answer(
                DECODE,
                inputs,
                lambda: self.model.decode_prompts(image_embeddings, points, box, mask_input),
            )
        )

    def _answer(
        self,
        kind: str,
        inputs: Sequence[Tensor | None],
        compute: Callable[[], tuple[Tensor, ...]],
    ) -> tuple[Tensor, ...]:
        """The answer to a question: from memory, from the store, or computed now."""
        key = _digest(kind, inputs)
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        answer = None if self._store is None else self._store.read(kind, key)
        if answer is None:
            answer = tuple(tensor.contiguous() for tensor in compute())
            if self._store is not None:
                self._store.write(kind, key, answer)
        self._remember(key, answer)
        return answer

    def _remember(self, key: bytes, answer: tuple[Tensor, ...]) -> None:
        self._memory[key] = answer
        self._size += sum(tensor.nbytes for tensor in answer)
        while self._size > MOST_MEMORY:
            _, oldest = self._memory.popitem(last=False)
            self._size -= sum(tensor.nbytes for tensor in oldest)


def _digest(kind: str, inputs: Sequence[Tensor | None]) -> bytes:
    """A digest of everything that a question consists of."""
    digest = hashlib.sha256(kind.encode())
    for tensor in inputs:
        digest.update(f"|{None if tensor is None else (tensor.dtype, *tensor.shape)}|".encode())
        if tensor is not None:
            digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.digest()
