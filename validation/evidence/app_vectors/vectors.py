"""Golden vectors: the results that the sample apps' own arithmetic must reproduce.

The reference computes them from fixed seeds.
``python -m validation.evidence.app_vectors`` writes them to sample_apps/vectors/vectors.json, which the tests of
both apps read. sample_apps/vectors/README.md describes the document.
"""

import base64
import math
from collections.abc import Iterator

import numpy as np
import torch

from converters.prompt_slots import fill_slots
from converters.samples import SampleCase
from reference.common.errors import PromptError
from reference.photos.masks import encode_rle, mask_box
from reference.photos.preprocessing import (
    masks_to_photo,
    photo_to_frame,
    points_to_frame,
    resized_size,
    threshold_masks,
)
from validation.evidence.page import CHECKOUT
from validation.metrics import mask_iou
from validation.questions.cases import Answer, is_ambiguous

VECTORS = CHECKOUT / "sample_apps" / "vectors" / "vectors.json"

_PADDING = (124, 116, 104)
_LEAST_LOGIT = 1e-4  # smallest absolute logit, so that rounding moves no pixel over the threshold

# (height, width) of a photo, and the side of the frame.
_GEOMETRY = (
    ((427, 640), 1024),
    ((640, 427), 1024),
    ((3024, 4032), 1024),
    ((1024, 1024), 1024),
    ((1, 3000), 1024),  # a side that would be rounded to 0
    ((333, 1000), 256),
    ((2047, 2048), 1024),  # half a pixel, rounded up
    ((7, 5), 32),
)
_RESIZES = (
    ((48, 64), 32),
    ((64, 37), 32),
    ((9, 13), 32),
    ((32, 32), 32),
    ((20, 32), 32),
    ((3, 90), 32),
)
_MASKS = (((48, 64), 32), ((64, 37), 32), ((9, 13), 32), ((32, 32), 32), ((50, 45), 64))
_SLOTS = (
    (8, [], None),
    (8, [(10.5, 20.25, 1)], None),
    (8, [(10.5, 20.25, 1), (0.0, 31.0, 0), (700.0, 3.5, 1)], None),
    (8, [], (1.0, 2.0, 30.5, 40.0)),
    (8, [(5.0, 6.0, 1), (7.0, 8.0, 0)], (1.0, 2.0, 30.5, 40.0)),
    (4, [(5.0, 6.0, 1), (7.0, 8.0, 0)], (1.0, 2.0, 30.5, 40.0)),
    (2, [(5.0, 6.0, 1), (7.0, 8.0, 0), (9.0, 9.0, 1)], None),
    (2, [(5.0, 6.0, 1)], (1.0, 2.0, 30.5, 40.0)),
)
# The scores of the four masks. NaN counts as the lowest; JSON writes it as null.
_SCORES = (
    (0.9, 0.2, 0.7, 0.6),
    (0.1, 0.8, 0.3, 0.8),
    (0.5, 0.1, 0.2, 0.9),
    (0.5, math.nan, 0.2, 0.1),
    (0.5, 0.1, 0.2, math.nan),
    (math.nan, math.nan, math.nan, 0.1),
    (0.5, math.nan, math.nan, math.nan),
)
# The number of points, and whether there are a box and a mask.
_PROMPT_KINDS = (
    (1, False, False),
    (2, False, False),
    (0, True, False),
    (1, True, False),
    (1, False, True),
)


def build_vectors() -> dict:
    """Build the whole document."""
    masks = list(_masks_to_encode())
    return {
        "schema": "mobile-sam-export/app-vectors/1",
        "geometry": [_geometry(photo, frame) for photo, frame in _GEOMETRY],
        "resize": [_resize(photo, frame) for photo, frame in _RESIZES],
        "slots": [_slots(*prompt) for prompt in _SLOTS],
        "masks": [_mask(photo, frame) for photo, frame in _MASKS],
        "rle": [_rle(mask) for mask in masks],
        "iou": [
            _iou(mask, other) for mask in masks for other in masks if mask.shape == other.shape
        ],
        "choice": list(_choices()),
    }


def _geometry(photo: tuple[int, int], frame_size: int) -> dict:
    height, width = photo
    points = [(0, 0), (width - 1, height - 1), (width / 3, height / 7), (width, height)]
    return {
        "photo": list(photo),
        "frame_size": frame_size,
        "resized": list(resized_size(height, width, frame_size)),
        "points": [list(point) for point in points],
        "points_in_frame": points_to_frame(np.array(points), photo, frame_size).tolist(),
    }


def _resize(photo: tuple[int, int], frame_size: int) -> dict:
    height, width = photo
    pixels = np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)
    padding = np.array(_PADDING, np.uint8)
    frame = photo_to_frame(pixels, frame_size, padding)[0].transpose(1, 2, 0)
    return {
        "photo": {"height": height, "width": width, "rgb": _base64(pixels)},
        "frame_size": frame_size,
        "padding_rgb": list(_PADDING),
        "frame": _base64(frame),
    }


def _slots(
    prompt_slots: int,
    points: list[tuple[float, float, int]],
    box: tuple[float, float, float, float] | None,
) -> dict:
    given = {
        "prompt_slots": prompt_slots,
        "points": [[x, y] for x, y, _ in points],
        "labels": [label for _, _, label in points],
        "box": None if box is None else list(box),
    }
    coords = torch.tensor(given["points"]).reshape(1, -1, 2)
    tensors = coords, torch.tensor(given["labels"]).reshape(1, -1)
    corners = None if box is None else torch.tensor([box])
    try:
        filled = fill_slots(prompt_slots, 8, tensors if points else None, corners, None)
    except PromptError:
        return given | {"error": True}
    return given | {
        "point_coords": filled.point_coords[0].tolist(),
        "point_labels": filled.point_labels[0].int().tolist(),
    }


def _mask(photo: tuple[int, int], frame_size: int) -> dict:
    low_res = _smooth_logits(photo, frame_size)
    return {
        "low_res": {"size": frame_size // 4, "logits": _base64(low_res.numpy())},
        "frame_size": frame_size,
        "photo": list(photo),
        "logits": _base64(masks_to_photo(low_res, photo, frame_size).numpy()),
        "mask": encode_rle(threshold_masks(low_res, photo, frame_size)[0, 0].numpy()),
    }


def _smooth_logits(photo: tuple[int, int], frame_size: int) -> torch.Tensor:
    """Return logits (1, 1, S/4, S/4) whose mask at the photo's size has no pixel near the threshold."""
    side = frame_size // 4
    for seed in range(1000):
        values = np.random.default_rng([*photo, seed]).normal(0, 4, (1, 1, side, side))
        low_res = torch.from_numpy(values.astype(np.float32))
        if masks_to_photo(low_res, photo, frame_size).abs().min() > _LEAST_LOGIT:
            return low_res
    raise AssertionError("every seed has a logit of about 0")


def _masks_to_encode() -> Iterator[np.ndarray]:
    """Yield boolean masks, four of which have the same size."""
    rng = np.random.default_rng(0)
    yield np.zeros((12, 17), bool)
    yield np.ones((12, 17), bool)
    yield rng.random((12, 17)) < 0.5
    disc = np.hypot(*np.ogrid[-6:6, -9:8]) < 5
    yield disc
    yield np.pad(disc, ((200, 88), (3, 280)))  # long runs, which take several characters
    yield np.ones((1, 1), bool)


def _rle(mask: np.ndarray) -> dict:
    columns = mask.T.ravel()  # COCO counts down the columns, and begins with background
    ends = np.flatnonzero(np.diff(columns)) + 1
    runs = np.diff([0, *ends, columns.size]).tolist()
    return encode_rle(mask) | {
        "runs": [0, *runs] if columns[0] else runs,
        "area": int(mask.sum()),
        "bbox": mask_box(mask),
    }


def _iou(mask: np.ndarray, other: np.ndarray) -> dict:
    return {"a": encode_rle(mask), "b": encode_rle(other), "iou": mask_iou(mask, other)}


def _choices() -> Iterator[dict]:
    """Yield which of the four masks is shown: the best of three for one point alone, else the first."""
    for scores in _SCORES:
        answer = Answer(torch.zeros(1, 4, 1, 1), torch.tensor([scores]))
        for points, has_box, has_mask in _PROMPT_KINDS:
            case = SampleCase(
                "",
                "",
                points=((0, 0),) * points,
                box=(0, 0, 1, 1) if has_box else None,
                mask_from="an earlier case" if has_mask else None,
            )
            yield {
                "scores": [None if math.isnan(score) else score for score in scores],
                "points": points,
                "has_box": has_box,
                "has_mask": has_mask,
                "shown": answer.shown_mask(is_ambiguous(case)),
            }


def _base64(array: np.ndarray) -> str:
    """Encode the array's bytes in C order, little-endian."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(np.ascontiguousarray(little).tobytes()).decode()
