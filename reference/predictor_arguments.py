"""Checking the arguments of ``Predictor`` and bringing them to one shape.

An argument that does not fit raises an ImageError if it is a photo, and a PromptError if it is a prompt.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference.common.errors import ImageError, PromptError
from reference.common.plain_text import quote
from reference.prompt_arrays import check_labels, to_numbers

_LABELS = "a number for each point, 1 if it is on the object and 0 if it is on the background"


def as_rgb(image: Any, image_format: str) -> Any:
    """Return the image with its channels in RGB order."""
    if image_format not in ("RGB", "BGR"):
        raise ImageError(f"image_format {quote(image_format)}: expected 'RGB' or 'BGR'")
    if image_format == "RGB":
        return image
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] not in (3, 4):
        raise ImageError(
            "image_format 'BGR' is for arrays of shape (H, W, 3) or (H, W, 4): pass 'RGB' for others"
        )
    return image[..., [2, 1, 0, 3][: image.shape[2]]]


def resized_photo(transformed_image: Any, side: int) -> Tensor:
    """Return a photo that is already resized for a frame of ``side`` pixels, as a tensor (1, 3, h, w)."""
    try:
        pixels = torch.as_tensor(transformed_image).detach()
    except (TypeError, ValueError, RuntimeError):
        raise ImageError(
            f"transformed_image is of type {type(transformed_image).__name__}: expected a tensor"
        ) from None
    shape = tuple(pixels.shape)
    if len(shape) != 4 or shape[:2] != (1, 3) or max(shape[2:]) != side or min(shape) < 1:
        raise ImageError(
            f"transformed_image has shape {shape}: expected (1, 3, h, w) with a longer side of "
            f"{side}, as transform.apply_image and permute(2, 0, 1)[None] give it"
        )
    if not pixels.isfinite().all():
        raise ImageError("transformed_image holds NaN or infinity: expected RGB in 0…255")
    return pixels


def size_of_photo(original_image_size: Any) -> tuple[int, int]:
    """Return the (height, width) of a photo as two whole numbers of at least 1."""
    try:
        height, width = map(int, original_image_size)
    except (TypeError, ValueError, OverflowError):
        height = width = 0
    if min(height, width) < 1:
        raise ImageError(
            f"original_image_size is {quote(original_image_size)}: expected the photo's "
            "(height, width)"
        )
    return height, width


def points_of_one_object(coords: object, labels: object) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of one object, float64 (K, 2), and their labels, int64 (K,). A batch axis of 1 is dropped."""
    coords = to_numbers("point_coords", coords, "N×2 numbers")
    labels = to_numbers("point_labels", labels, _LABELS)
    if coords.ndim == 3 and labels.ndim == 2 and len(coords) == len(labels) == 1:
        coords, labels = coords[0], labels[0]
    if coords.shape == (0,):  # an empty list
        coords = coords.reshape(0, 2)
    return _labeled(coords, labels, 2)


def points_of_objects(coords: object, labels: object) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of B objects, float64 (B, K, 2), and their labels, int64 (B, K)."""
    return _labeled(
        to_numbers("point_coords", coords, "B×N×2 numbers"),
        to_numbers("point_labels", labels, _LABELS),
        3,
    )


def _labeled(coords: np.ndarray, labels: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points and their labels, after checking that each point has one valid label."""
    expected = "×".join(["B", "N", "2"][-axes:])
    if coords.ndim != axes or coords.shape[-1] != 2:
        raise PromptError(f"point_coords has shape {coords.shape}: expected {expected} numbers")
    if labels.shape != coords.shape[:-1]:
        raise PromptError(
            f"{_count(coords.shape[:-1])} point_coords with {_count(labels.shape)} point_labels: "
            "expected one label per point"
        )
    check_labels(labels)
    return coords, labels.astype(np.int64)


def _count(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "no"


def box_of_one_object(box: object) -> np.ndarray:
    """Return one box, in any nesting, as float64 (1, 4)."""
    corners = to_numbers("box", box, "4 numbers")
    if corners.size > 4 and corners.shape[-1] == 4:
        raise PromptError(
            f"box has shape {corners.shape}: expected 4 numbers, the box of one object; for several "
            "boxes, pass transform.apply_boxes_torch(boxes, original_size) to predict_torch"
        )
    if corners.size != 4:
        raise PromptError(f"box has shape {corners.shape}: expected 4 numbers, x1, y1, x2, y2")
    return corners.reshape(1, 4)


def boxes_of_objects(boxes: object) -> np.ndarray:
    """Return the boxes of B objects, given as (B, 4), (B, 1, 4) or (B, 2, 2), as float64 (B, 4)."""
    corners = to_numbers("boxes", boxes, "B×4 numbers")
    if corners.ndim not in (2, 3) or corners.size != 4 * len(corners) or len(corners) == 0:
        raise PromptError(f"boxes has shape {corners.shape}: expected B×4 numbers, x1, y1, x2, y2")
    return corners.reshape(-1, 4)


def one_batch(
    points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, mask_input: Tensor | None
) -> tuple[tuple[Tensor, Tensor] | None, Tensor | None, Tensor | None]:
    """Return the prompts with batch axes of equal length. A single mask is repeated for all objects."""
    lengths = {
        name: len(part)
        for name, part in (("point_coords", points and points[0]), ("boxes", boxes))
        if part is not None
    }
    if mask_input is not None and lengths and len(mask_input) == 1:
        mask_input = mask_input.expand(max(lengths.values()), -1, -1, -1)
    if mask_input is not None:
        lengths["mask_input"] = len(mask_input)
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        raise PromptError(f"{counts}: expected prompts for the same number of objects in each")
    return points, boxes, mask_input


def logits_of_masks(mask_input: object, leading: tuple[int, ...], side: int) -> Tensor:
    """Return mask prompts as a float32 tensor (*leading, side, side), where -1 stands for any length."""
    shape = (*leading, side, side)
    expected = "×".join("B" if length == -1 else str(length) for length in shape)
    array = to_numbers("mask_input", mask_input, f"{expected} numbers")
    if array.ndim != len(shape) or any(
        length not in (-1, actual) for length, actual in zip(shape, array.shape, strict=True)
    ):
        raise PromptError(f"mask_input has shape {array.shape}: expected {expected} numbers")
    logits = torch.from_numpy(array).float()
    if not logits.isfinite().all():
        raise PromptError("mask_input holds numbers too large for float32: expected logits")
    return logits
