"""An artifact with an engine, in the shape of a model that ``reference.Predictor`` can prompt."""

import numpy as np
import torch
from torch import Tensor

from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import fill_slots
from reference.common.errors import ArtifactError
from reference.prompts import Prompt
from reference.segmentation import OnStep, Segmentation, segment_objects
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines import Engine, engine_for


def open_artifact(artifact: Artifact, engine_name: str | None = None) -> "ArtifactModel":
    """An artifact with an engine: the one of that name, or the first that this machine has for it.

    Raises:
        ArtifactError: there is none, it does not run the format, or it cannot load the artifact.
    """
    engine = engine_for(artifact, engine_name)
    if isinstance(engine, Unavailable):
        raise ArtifactError(f"{artifact.folder}: NOT RUN: {engine.reason}")
    return ArtifactModel(engine, artifact)


class ArtifactModel:
    """A ``reference.predictor.PromptableModel``, and a ``reference.request.Segmenter``.

    Attributes:
        engine: what runs the artifact.
        frame_size: side S of the frame, in pixels.
        mean_color: float32 (3,) RGB in 0…255, what the manifest tells apps to pad the frame with.
    """

    def __init__(self, engine: Engine, artifact: Artifact) -> None:
        self.frame_size = artifact.variant.image_size
        self.mean_color = np.array(artifact.padding_rgb, np.float32)
        self.engine = engine
        self._artifact = artifact
        self._encoder_spec = image_encoder_spec(artifact.variant)
        self._decoder_spec = mask_decoder_spec(artifact.variant, artifact.prompt_slots)

    def encode_image(self, frame: Tensor) -> Tensor:
        """float32 (1, 3, S, S) RGB in 0…255 → (1, dim, S/16, S/16) image embeddings.

        Raises:
            ArtifactError: the engine fails, or what it gives has the wrong shape.
        """
        image_embeddings = self.engine.encode(frame)
        self._check(self._encoder_spec, (image_embeddings,))
        return image_embeddings

    def decode_prompts(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Answer the prompts of B objects, one after the other; arguments as ``Sam``'s.

        Returns:
            (B, 4, S/4, S/4) mask logits and (B, 4) predicted IoU.

        Raises:
            PromptError: an object's prompt takes more slots than the artifact has.
            ArtifactError: the engine fails, or what it gives has the wrong shape.
        """
        coords, labels = (None, None) if points is None else points
        given = [part for part in (coords, boxes, mask_input) if part is not None]
        answers = []
        for b in range(len(given[0]) if given else 1):
            object_coords, object_labels, box, mask = (
                None if part is None else part[b : b + 1]
                for part in (coords, labels, boxes, mask_input)
            )
            object_points = None if object_coords is None else (object_coords, object_labels)
            answers.append(self._decode_object(image_embeddings, object_points, box, mask))
        low_res_masks, iou_predictions = zip(*answers, strict=True)
        return torch.cat(low_res_masks), torch.cat(iou_predictions)

    def segment(
        self, image: np.ndarray, prompts: list[Prompt], on_step: OnStep = lambda step: None
    ) -> list[Segmentation]:
        """Answer prompts about a uint8 (H, W, 3) photo; see ``segment_objects``."""
        return segment_objects(self, image, prompts, on_step=on_step)

    def _decode_object(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        box: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """The prompt of one object, each part with a batch axis of 1."""
        prompt = fill_slots(
            self._artifact.prompt_slots,
            self._artifact.variant.mask_size,
            points,
            box,
            mask_input,
        )
        outputs = self.engine.decode(image_embeddings, prompt)
        self._check(self._decoder_spec, outputs)
        return outputs

    def _check(self, spec: ModuleSpec, outputs: tuple[Tensor, ...]) -> None:
        """Refuse outputs whose number or shapes are not what ``spec`` says."""
        shapes = [tuple(output.shape) for output in outputs]
        expected = [tensor.shape for tensor in spec.outputs]
        if shapes != expected:
            names = ", ".join(tensor.name for tensor in spec.outputs)
            raise ArtifactError(
                f"{self._artifact.folder}: {spec.name} gives {names} of shape {shapes}: expected "
                f"{expected}; convert again"
            )
