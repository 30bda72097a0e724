"""An artifact's two Core ML packages, as an engine; whatever predicts with them."""

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
    """What is used of ``coremltools.models.MLModel``, and of ``mil_runtime.Program``."""

    def predict(self, data: dict) -> Mapping[str, np.ndarray]: ...


class PackageEngine:
    """Feeds two loaded packages as an app does: the frame as a picture, all else as float32."""

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
            name: see ``Engine``.
            runtime: what predicts, for messages.
            artifact: whose packages they are, for the names of what goes in and comes out.
        """
        self.name = name
        self._runtime = runtime
        self._image_encoder, self._mask_decoder = image_encoder, mask_decoder
        self._encoder_spec = image_encoder_spec(artifact.variant)
        self._decoder_spec = mask_decoder_spec(artifact.variant, artifact.prompt_slots)

    def encode(self, frame: Tensor) -> Tensor:
        """See ``Engine``; the frame is rounded to 8 bits, since the package takes an image."""
        (image,) = self._encoder_spec.inputs
        inputs = {image.name: frame_to_image(frame)}
        (image_embeddings,) = self._predict(self._image_encoder, self._encoder_spec, inputs)
        return image_embeddings

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, Tensor]:
        """See ``Engine``."""
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
        """Outputs in the spec's order, as float32; ArtifactError if the model or a name fails."""
        try:
            outputs = model.predict(inputs)
        # coremltools wraps NSErrors in RuntimeError, and warns in others; a failed allocation is
        # no fault of the artifact.
        except MemoryError:
            raise
        except Exception as error:
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
    """float32 (1, 3, S, S) in 0…255 → an RGB picture of S×S, each value rounded to 8 bits."""
    pixels = frame[0].permute(1, 2, 0).round().clamp(0, 255)  # (1, 3, S, S) → (S, S, 3)
    return Image.fromarray(np.ascontiguousarray(pixels.numpy().astype(np.uint8)))
