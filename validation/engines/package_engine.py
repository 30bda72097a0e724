"""An engine for an artifact's two Core ML packages, in any runtime that has ``predict``."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import SlotPrompt
from reference.common.errors import ArtifactError
from validation.artifacts.artifact import Artifact


class PredictingModel(Protocol):
    """The method that ``coremltools.models.MLModel`` and ``mil_runtime.Program`` have in common."""

    def predict(self, data: dict) -> Mapping[str, np.ndarray]: ...


class PackageEngine:
    """An ``Engine`` that runs two loaded packages as an app does: the frame is a picture, all else float32.

    Attributes:
        name: name of the engine for results, as in ``Engine``.
    """

    def __init__(
        self,
        name: str,
        runtime: str,
        image_encoder: PredictingModel,
        mask_decoder: PredictingModel,
        artifact: Artifact,
    ) -> None:
        """Take two loaded packages.

        Args:
            name: name of the engine.
            runtime: name of the runtime, for error messages.
            image_encoder: the image encoder's package.
            mask_decoder: the mask decoder's package.
            artifact: the artifact that the packages belong to, for the names of inputs and outputs.
        """
        self.name = name
        self._runtime = runtime
        self._image_encoder, self._mask_decoder = image_encoder, mask_decoder
        self._encoder_spec = image_encoder_spec(artifact.variant)
        self._decoder_spec = mask_decoder_spec(artifact.variant, artifact.prompt_slots)

    def encode(self, frame: Tensor) -> Tensor:
        """Encode a frame, rounded to 8 bits because the package takes a picture."""
        (image,) = self._encoder_spec.inputs
        inputs = {image.name: frame_to_image(frame)}
        (image_embeddings,) = self._predict(self._image_encoder, self._encoder_spec, inputs)
        return image_embeddings

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, Tensor]:
        tensors = image_embeddings, *prompt.tensors
        names = (tensor.name for tensor in self._decoder_spec.inputs)
        inputs = {
            name: np.ascontiguousarray(tensor.numpy(), np.float32)
            for name, tensor in zip(names, tensors, strict=True)
        }
        low_res_masks, iou_predictions = self._predict(
            self._mask_decoder, self._decoder_spec, inputs
        )
        return low_res_masks, iou_predictions

    def _predict(self, model: PredictingModel, spec: ModuleSpec, inputs: dict) -> list[Tensor]:
        """Outputs in the order of ``spec``, as float32; ArtifactError if the model fails or lacks an output."""
        try:
            outputs = model.predict(inputs)
        except MemoryError:  # not an error of the artifact
            raise
        except Exception as error:  # coremltools raises RuntimeError for NSErrors, and others too
            raise ArtifactError(
                f"{spec.name}: {self._runtime} cannot run it ({error}); convert again"
            ) from error
        missing = [tensor.name for tensor in spec.outputs if tensor.name not in outputs]
        if missing:
            raise ArtifactError(
                f"{spec.name}: has no output {', '.join(missing)}: it gives "
                f"{', '.join(outputs)}; convert again"
            )
        return [
            torch.from_numpy(np.array(outputs[tensor.name], np.float32)) for tensor in spec.outputs
        ]


def frame_to_image(frame: Tensor) -> Image.Image:
    """Turn a frame, float32 (1, 3, S, S) in 0…255, into an RGB picture of S×S pixels of 8 bits per channel."""
    pixels = frame[0].permute(1, 2, 0).round().clamp(0, 255)  # (1, 3, S, S) → (S, S, 3)
    return Image.fromarray(np.ascontiguousarray(pixels.numpy().astype(np.uint8)))
