"""Mistakes that an app makes with a sound artifact."""

import dataclasses
import functools

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from converters.samples import SampleCase
from reference.photos.preprocessing import resize_photo, resized_size
from validation.evidence.mutation.mutant import AppMutant
from validation.questions.cases import Answer
from validation.questions.pipeline import PhotoPipeline
from validation.stages import IMAGE_ENCODER, MASK_DECODER, MASK_RESIZE, PREPROCESSING

LETTERBOX_GRAY = 114  # the padding of YOLO's preprocessing

app = functools.partial(AppMutant, format="torchscript", scheme="none")

# From photo to frame


class SwapsChannels(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        return super().preprocess(np.ascontiguousarray(pixels[..., ::-1]))


class NormalizesItself(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        return (super().preprocess(pixels) - 123.675) / 58.395


class ScalesToOne(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        return super().preprocess(pixels) / 255


class PadsWithBlack(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        return _place(resize_photo(pixels, self.frame_size), self.frame_size, 0)


class PadsWithGray(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        return _place(resize_photo(pixels, self.frame_size), self.frame_size, LETTERBOX_GRAY)


class Centers(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        resized = resize_photo(pixels, self.frame_size)
        top, left = ((self.frame_size - side) // 2 for side in resized.shape[:2])
        return _place(resized, self.frame_size, self._padding_rgb, top, left)


class ResizesToNearest(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        height, width = resized_size(*pixels.shape[:2], self.frame_size)
        picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
        return _place(np.asarray(picture), self.frame_size, self._padding_rgb)


class ResizesWithoutAntialias(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        size = resized_size(*pixels.shape[:2], self.frame_size)
        tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()  # (H, W, 3) → (1, 3, H, W)
        resized = interpolate(tensor, size, mode="bilinear", align_corners=False)
        photo = resized[0].permute(1, 2, 0).round().numpy()
        return _place(photo, self.frame_size, self._padding_rgb)


class Stretches(PhotoPipeline):
    def preprocess(self, pixels: np.ndarray) -> Tensor:
        size = self.frame_size, self.frame_size
        picture = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        return super().preprocess(np.asarray(picture))


def _place(
    photo: np.ndarray, frame_size: int, padding: np.ndarray | int, top: int = 0, left: int = 0
) -> Tensor:
    """Place a resized photo (h, w, 3) in a frame, float32 (1, 3, S, S), at the corner (top, left)."""
    frame = np.empty((frame_size, frame_size, 3), np.float32)
    frame[:] = padding
    frame[top : top + photo.shape[0], left : left + photo.shape[1]] = photo
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)[None]))


# Embeddings


class KeepsOldEmbeddings(PhotoPipeline):
    """Returns the embeddings of the previous photo."""

    _previous: Tensor | None = None

    def encode(self, frame: Tensor) -> Tensor:
        current = super().encode(frame)
        previous, self._previous = self._previous, current
        return current if previous is None else previous


class TransposesEmbeddings(PhotoPipeline):
    def encode(self, frame: Tensor) -> Tensor:
        return super().encode(frame).transpose(2, 3).contiguous()


# Prompts


class ChangesPrompt(PhotoPipeline):
    """Passes another prompt than the intended one."""

    def decode(
        self,
        image_embeddings: Tensor,
        case: SampleCase,
        photo_size: tuple[int, int],
        mask_input: Tensor | None,
    ) -> Answer:
        case, mask_input = self._changed(case, mask_input, photo_size)
        return super().decode(image_embeddings, case, photo_size, mask_input)

    def _changed(
        self, case: SampleCase, mask_input: Tensor | None, photo_size: tuple[int, int]
    ) -> tuple[SampleCase, Tensor | None]:
        raise NotImplementedError


class ExchangesAxes(ChangesPrompt):
    def _changed(
        self, case: SampleCase, mask_input: Tensor | None, photo_size: tuple[int, int]
    ) -> tuple[SampleCase, Tensor | None]:
        points = tuple((y, x) for x, y in case.points)
        return dataclasses.replace(case, points=points), mask_input


class ForgetsToScale(ChangesPrompt):
    """Passes coordinates in the photo instead of coordinates in the frame."""

    def _changed(
        self, case: SampleCase, mask_input: Tensor | None, photo_size: tuple[int, int]
    ) -> tuple[SampleCase, Tensor | None]:
        scale = max(photo_size) / self.frame_size
        points = tuple((x * scale, y * scale) for x, y in case.points)
        box = tuple(side * scale for side in case.box) if case.box else None
        return dataclasses.replace(case, points=points, box=box), mask_input


class PassesWidthAndHeight(ChangesPrompt):
    """Passes a box's width and height instead of its bottom right corner."""

    def _changed(
        self, case: SampleCase, mask_input: Tensor | None, photo_size: tuple[int, int]
    ) -> tuple[SampleCase, Tensor | None]:
        if case.box is None:
            return case, mask_input
        left, top, right, bottom = case.box
        box = (left, top, right - left, bottom - top)
        return dataclasses.replace(case, box=box), mask_input


class CallsAllPointsObject(ChangesPrompt):
    def _changed(
        self, case: SampleCase, mask_input: Tensor | None, photo_size: tuple[int, int]
    ) -> tuple[SampleCase, Tensor | None]:
        return dataclasses.replace(case, labels=tuple(1 for _ in case.labels)), mask_input


class ForgetsMask(ChangesPrompt):
    def _changed(
        self, case: SampleCase, mask_input: Tensor | None, photo_size: tuple[int, int]
    ) -> tuple[SampleCase, Tensor | None]:
        return case, None


class FeedsThresholdedMask(ChangesPrompt):
    def _changed(
        self, case: SampleCase, mask_input: Tensor | None, photo_size: tuple[int, int]
    ) -> tuple[SampleCase, Tensor | None]:
        return case, None if mask_input is None else (mask_input > 0).float()


# From logits to masks


class Resizes(PhotoPipeline):
    """Resizes in two steps, which subclasses change."""

    mode, align_corners, cropped = "bilinear", False, True

    def resize(self, low_res_mask: Tensor, photo_size: tuple[int, int]) -> np.ndarray:
        logits = self._interpolate(low_res_mask, (self.frame_size, self.frame_size))
        if self.cropped:
            height, width = resized_size(*photo_size, self.frame_size)
            logits = logits[..., :height, :width]
        return (self._interpolate(logits, photo_size)[0, 0] > self._mask_threshold).numpy()

    def _interpolate(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        return interpolate(logits, size, mode=self.mode, align_corners=self.align_corners)


class AlignsCorners(Resizes):
    align_corners = True


class ResizesMasksToNearest(Resizes):
    mode, align_corners = "nearest", None


class ForgetsToCrop(Resizes):
    cropped = False


class ForgetsHalfPixel(Resizes):
    """Samples at i * scale, as resizers with "asymmetric" coordinates do."""

    def _interpolate(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        for axis, length in zip((2, 3), size, strict=True):
            count = logits.shape[axis]
            position = (torch.arange(length) * (count / length)).clamp(max=count - 1)
            below = position.floor().long()
            above = (below + 1).clamp(max=count - 1)
            share = (position - below).unsqueeze(-1) if axis == 2 else position - below
            lower, upper = logits.index_select(axis, below), logits.index_select(axis, above)
            logits = lower + (upper - lower) * share
        return logits


class TransposesMasks(PhotoPipeline):
    def resize(self, low_res_mask: Tensor, photo_size: tuple[int, int]) -> np.ndarray:
        return super().resize(low_res_mask.transpose(2, 3), photo_size)


class ThresholdsProbabilitiesAtZero(PhotoPipeline):
    def resize(self, low_res_mask: Tensor, photo_size: tuple[int, int]) -> np.ndarray:
        return super().resize(low_res_mask.sigmoid(), photo_size)


_APPS = (
    ("BGR for RGB", "the order of channels of some cameras", SwapsChannels, PREPROCESSING),
    (
        "normalized twice",
        "normalization by the app and in the graph",
        NormalizesItself,
        PREPROCESSING,
    ),
    ("pixels in 0…1", "the graph expects 0…255", ScalesToOne, PREPROCESSING),
    (
        "padded with black",
        "padding with zeros before normalization instead of after it",
        PadsWithBlack,
        PREPROCESSING,
    ),
    ("padded with gray", "padding with 114, as letterboxes have", PadsWithGray, PREPROCESSING),
    (
        "photo in the middle",
        "in the middle of the frame instead of top left",
        Centers,
        PREPROCESSING,
    ),
    (
        "photo resized to nearest",
        "nearest neighbor instead of bilinear",
        ResizesToNearest,
        PREPROCESSING,
    ),
    (
        "photo not antialiased",
        "bilinear from only four pixels",
        ResizesWithoutAntialias,
        PREPROCESSING,
    ),
    ("photo stretched", "stretched to the whole frame", Stretches, PREPROCESSING),
    ("stale embeddings", "the embeddings of the previous photo", KeepsOldEmbeddings, IMAGE_ENCODER),
    ("embeddings transposed", "rows and columns exchanged", TransposesEmbeddings, IMAGE_ENCODER),
    ("x and y exchanged", "points given as y, x", ExchangesAxes, MASK_DECODER),
    ("points in photo pixels", "points not scaled to the frame", ForgetsToScale, MASK_DECODER),
    (
        "boxes as x, y, w, h",
        "the size of a box instead of its second corner",
        PassesWidthAndHeight,
        MASK_DECODER,
    ),
    (
        "background points forgotten",
        "all points labeled as object points",
        CallsAllPointsObject,
        MASK_DECODER,
    ),
    ("mask prompt forgotten", "a refinement without the earlier mask", ForgetsMask, MASK_DECODER),
    ("mask prompt thresholded", "0 and 1 instead of logits", FeedsThresholdedMask, MASK_DECODER),
    ("mask resize aligns corners", "align_corners=True", AlignsCorners, MASK_RESIZE),
    (
        "mask resize to nearest",
        "nearest neighbor instead of bilinear",
        ResizesMasksToNearest,
        MASK_RESIZE,
    ),
    (
        "half a pixel missing",
        "asymmetric coordinates in the mask resize",
        ForgetsHalfPixel,
        MASK_RESIZE,
    ),
    ("crop forgotten", "the padding is part of the mask", ForgetsToCrop, MASK_RESIZE),
    ("masks transposed", "rows and columns exchanged", TransposesMasks, MASK_RESIZE),
    (
        "threshold 0 on probabilities",
        "every pixel belongs to the object",
        ThresholdsProbabilitiesAtZero,
        MASK_RESIZE,
    ),
)

APP_MUTANTS = tuple(
    app(f"app: {name}", text, pipeline=pipeline, expected=stage)
    for name, text, pipeline, stage in _APPS
)
