"""Core ML packages in Core ML itself, through coremltools; macOS only."""

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import SlotPrompt
from reference.errors import ArtifactError
from validation.artifact import Artifact
from validation.engines.base import Unavailable


class PredictingModel(Protocol):
    """What is used of ``coremltools.models.MLModel``."""

    def predict(self, data: dict) -> Mapping[str, np.ndarray]: ...


def open_engine(artifact: Artifact) -> "CoreMLEngine | Unavailable":
    """Load, and so compile, an artefact's two packages; ArtifactError if Core ML refuses one."""
    if sys.platform != "darwin":
        return Unavailable("Core ML runs on macOS only: compare this artefact on a Mac")
    import coremltools.models.model as coremltools_model

    if coremltools_model._MLModelProxy is None:
        return Unavailable(
            "this build of coremltools lacks libcoremlpython, its bridge to Core ML: install an "
            "official wheel for this version of Python"
        )
    return CoreMLEngine(
        _load(coremltools_model.MLModel, artifact.components["image_encoder"]),
        _load(coremltools_model.MLModel, artifact.components["mask_decoder"]),
        image_encoder_spec(artifact.variant),
        mask_decoder_spec(artifact.variant, artifact.prompt_slots),
    )


def _load(model_class: type, package: Path) -> PredictingModel:
    # All compute units, as an app gets them by default. What Core ML refuses, coremltools reports
    # as a RuntimeError here, or only as a warning, and then as an exception from ``predict``.
    try:
        return model_class(str(package))
    except Exception as error:
        raise ArtifactError(
            f"{package}: Core ML cannot load it ({error}); convert again"
        ) from error


class CoreMLEngine:
    """Core ML on this Mac, on whatever compute units it chooses."""

    def __init__(
        self,
        image_encoder: PredictingModel,
        mask_decoder: PredictingModel,
        encoder_spec: ModuleSpec,
        decoder_spec: ModuleSpec,
    ) -> None:
        """Take two loaded packages, and the names of what goes in and comes out."""
        self.name = f"Core ML of macOS {platform.mac_ver()[0]} (all compute units)"
        self._image_encoder, self._encoder_spec = image_encoder, encoder_spec
        self._mask_decoder, self._decoder_spec = mask_decoder, decoder_spec

    def encode(self, frame: Tensor) -> Tensor:
        """See ``Engine``; the frame is rounded to 8 bits, since the package takes an image."""
        (image,) = self._encoder_spec.inputs
        (image_embeddings,) = _predict(
            self._image_encoder, self._encoder_spec, {image.name: frame_to_image(frame)}
        )
        return image_embeddings

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, Tensor]:
        """See ``Engine``."""
        tensors = (
            image_embeddings,
            prompt.point_coords,
            prompt.point_labels,
            prompt.mask_input,
            prompt.has_mask_input,
        )
        names = (tensor.name for tensor in self._decoder_spec.inputs)
        inputs = {
            name: np.ascontiguousarray(tensor.numpy(), np.float32)
            for name, tensor in zip(names, tensors, strict=True)
        }
        low_res_masks, iou_predictions = _predict(self._mask_decoder, self._decoder_spec, inputs)
        return low_res_masks, iou_predictions


def frame_to_image(frame: Tensor) -> Image.Image:
    """float32 (1, 3, S, S) in 0…255 → an RGB picture of S×S, each value rounded to 8 bits."""
    pixels = frame[0].permute(1, 2, 0).round().clamp(0, 255)  # (1, 3, S, S) → (S, S, 3)
    return Image.fromarray(np.ascontiguousarray(pixels.numpy().astype(np.uint8)))


def _predict(model: PredictingModel, spec: ModuleSpec, inputs: dict) -> list[Tensor]:
    """Outputs in the spec's order, as float32; ArtifactError if Core ML or a name fails."""
    try:
        outputs = model.predict(inputs)
    except Exception as error:  # coremltools wraps NSErrors in RuntimeError, and warns in others
        raise ArtifactError(
            f"{spec.name}: Core ML cannot run it ({error}); convert again"
        ) from error
    missing = [tensor.name for tensor in spec.outputs if tensor.name not in outputs]
    if missing:
        raise ArtifactError(
            f"{spec.name}: has no output {', '.join(missing)}: it gives "
            f"{', '.join(outputs)}; convert again"
        )
    return [torch.from_numpy(np.array(outputs[tensor.name], np.float32)) for tensor in spec.outputs]
