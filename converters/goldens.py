"""Goldens: inputs and reference outputs, for checks on this machine and on the device.

``goldens.json`` lists photos (PNG) and cases. Tensors are files of little-endian float32 in C order. A case has a
prompt, in pixels of the photo and in the slots of the mask decoder. It also has the four low-resolution masks and
scores of the reference, and the four masks at the size of the photo as COCO RLE.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from converters.artifact_layout import GOLDENS_FILE, GOLDENS_SCHEMA
from converters.prompt_slots import SlotPrompt, fill_slots
from converters.samples import GOLDEN_CASES, GOLDEN_PHOTOS, SampleCase, load_photo
from reference.common.errors import ConversionError
from reference.modeling.sam import Sam
from reference.photos.masks import encode_rle
from reference.photos.preprocessing import photo_to_frame, threshold_masks

_SHOWN = 3  # answers that an error names


@dataclass(frozen=True)
class GoldenPhoto:
    """A photo, its frame, and its reference embeddings."""

    name: str
    pixels: np.ndarray  # uint8 (H, W, 3)
    frame: Tensor  # float32 (1, 3, S, S)
    image_embeddings: Tensor  # float32 (1, dim, S/16, S/16)


@dataclass(frozen=True)
class GoldenCase:
    """A prompt in slots, and the reference answer."""

    sample: SampleCase
    prompt: SlotPrompt
    low_res_masks: Tensor  # float32 (1, 4, S/4, S/4)
    iou_predictions: Tensor  # float32 (1, 4)


@dataclass(frozen=True)
class Goldens:
    """Photos by name, and cases in an order where the case named by ``mask_from`` comes first."""

    photos: Mapping[str, GoldenPhoto]
    cases: tuple[GoldenCase, ...]

    def encoder_inputs(self) -> list[tuple[Tensor, ...]]:
        """Return the inputs of the image encoder, one per photo."""
        return [(photo.frame,) for photo in self.photos.values()]

    def decoder_inputs(self) -> list[tuple[Tensor, ...]]:
        """Return the inputs of the mask decoder, one per case."""
        return [
            (self.photos[case.sample.photo].image_embeddings, *case.prompt.tensors)
            for case in self.cases
        ]


def compute_goldens(sam: Sam, prompt_slots: int) -> Goldens:
    """Compute the reference answers about the sample photos. Cases that need more prompt slots are left out."""
    photos = {name: encode_photo(sam, name, load_photo(name)) for name in GOLDEN_PHOTOS}
    cases: dict[str, GoldenCase] = {}
    for sample in GOLDEN_CASES:
        if sample.slots <= prompt_slots:
            cases[sample.name] = decode_case(sam, sample, photos[sample.photo], cases, prompt_slots)
    return Goldens(photos, tuple(cases.values()))


def require_finite(goldens: Goldens) -> None:
    """Raise ConversionError if the reference answers contain NaN or infinity.

    No phone can draw a mask from such answers. Nor can an artifact be compared with them, because a broken artifact
    would agree.
    """
    answers = {
        f"image_embeddings of photo '{name}'": photo.image_embeddings
        for name, photo in goldens.photos.items()
    }
    for case in goldens.cases:
        answers[f"low_res_masks of case '{case.sample.name}'"] = case.low_res_masks
        answers[f"iou_predictions of case '{case.sample.name}'"] = case.iou_predictions
    broken = [name for name, tensor in answers.items() if not tensor.isfinite().all()]
    if broken:
        more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise ConversionError(
            f"the model with these weights answers with NaN or infinity already in PyTorch: in "
            f"{', '.join(broken[:_SHOWN])}{more}; expected finite answers. "
            "The weights have diverged or are damaged: try an earlier checkpoint"
        )


def encode_photo(sam: Sam, name: str, pixels: np.ndarray) -> GoldenPhoto:
    frame = torch.from_numpy(photo_to_frame(pixels, sam.frame_size, sam.mean_color))
    return GoldenPhoto(name, pixels, frame, sam.encode_image(frame))


def decode_case(
    sam: Sam,
    sample: SampleCase,
    photo: GoldenPhoto,
    earlier: Mapping[str, GoldenCase],
    prompt_slots: int,
) -> GoldenCase:
    points, box = sample.in_frame(photo.pixels.shape[:2], sam.frame_size)
    mask_input = None
    if sample.mask_from:
        index = sample.mask_index
        mask_input = earlier[sample.mask_from].low_res_masks[:, index : index + 1]
    masks, scores = sam.decode_prompts(photo.image_embeddings, points, box, mask_input)
    prompt = fill_slots(prompt_slots, sam.variant.mask_size, points, box, mask_input)
    return GoldenCase(sample, prompt, masks, scores)


def write_goldens(goldens: Goldens, folder: Path, frame_size: int) -> None:
    """Write ``goldens`` into a new ``folder``."""
    folder.mkdir()
    document = {
        "schema": GOLDENS_SCHEMA,
        "photos": {name: _write_photo(photo, folder) for name, photo in goldens.photos.items()},
        "cases": [
            _write_case(case, goldens.photos[case.sample.photo], folder, frame_size)
            for case in goldens.cases
        ],
    }
    (folder / GOLDENS_FILE).write_text(json.dumps(document, indent=1) + "\n")


def _write_photo(photo: GoldenPhoto, folder: Path) -> dict:
    file = f"{photo.name}.png"
    Image.fromarray(photo.pixels).save(folder / file)
    height, width = photo.pixels.shape[:2]
    return {
        "file": file,
        "height": height,
        "width": width,
        "image_embeddings": _write_tensor(
            photo.image_embeddings, folder, f"{photo.name}.image_embeddings.f32"
        ),
    }


def _write_case(case: GoldenCase, photo: GoldenPhoto, folder: Path, frame_size: int) -> dict:
    sample, prompt = case.sample, case.prompt
    masks = threshold_masks(case.low_res_masks, photo.pixels.shape[:2], frame_size)[0].numpy()
    mask_input = None
    if sample.mask_from:
        mask_input = {"case": sample.mask_from, "index": sample.mask_index}
    return {
        "name": sample.name,
        "photo": sample.photo,
        "points": [list(point) for point in sample.points],
        "labels": list(sample.labels),
        "box": list(sample.box) if sample.box else None,
        "mask_input": mask_input,
        "point_coords": prompt.point_coords[0].tolist(),
        "point_labels": prompt.point_labels[0].int().tolist(),
        "iou_predictions": case.iou_predictions[0].tolist(),
        "low_res_masks": _write_tensor(
            case.low_res_masks, folder, f"{sample.name}.low_res_masks.f32"
        ),
        "masks": [encode_rle(mask) for mask in masks],
    }


def _write_tensor(tensor: Tensor, folder: Path, file: str) -> dict:
    (folder / file).write_bytes(tensor.numpy().astype("<f4").tobytes())
    return {"file": file, "shape": list(tensor.shape)}
