"""An artifact and its engine as a model that ``reference.Predictor`` can prompt."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import fill_slots
from reference.common.errors import ArtifactError
from reference.photo_segmenter import PhotoSegmenter
from validation.artifacts.artifact import Artifact, load_artifact
from validation.documents.verdicts import Unavailable
from validation.engines import Engine, engine_for


def open_artifact(
    artifact: Artifact | str | Path, engine_name: str | None = None
) -> "ArtifactModel":
    """Load an artifact, to ask it about photos as ``validate show`` does.

    Example:
        >>> model = open_artifact("artifacts/mobile_sam-coreml-int8")
        >>> (segmentation,) = model.predict("photo.jpg", points=[900, 370])
        >>> best_mask = segmentation.masks[0]  # bool (H, W), the size of the photo

    Args:
        artifact: the path of a folder that ``convert`` wrote.
        engine_name: name of the engine that runs it; docs/validation.md lists them. None takes the first engine for
            the format that this machine has.

    Returns:
        A model with the method ``predict`` of ``reference.SAM``. ``reference.Predictor`` takes it too.

    Raises:
        ArtifactError: this machine lacks the engine, or the engine does not run the format or cannot load the
            artifact.
    """
    artifact = load_artifact(artifact)
    engine = engine_for(artifact, engine_name)
    if isinstance(engine, Unavailable):
        raise ArtifactError(f"{artifact.folder}: NOT RUN: {engine.reason}")
    return ArtifactModel(engine, artifact)


class ArtifactModel(PhotoSegmenter):
    """A ``PromptableModel`` and ``PhotoSegmenter`` that runs an artifact.

    Attributes:
        engine: the engine that runs the artifact.
        frame_size: side S of the frame, in pixels.
        mean_color: color that the manifest tells apps to pad the frame with, float32 (3,) RGB in 0…255.
    """

    def __init__(self, engine: Engine, artifact: Artifact) -> None:
        self.frame_size = artifact.variant.image_size
        self.mean_color = np.array(artifact.padding_rgb, np.float32)
        self.engine = engine
        self._artifact = artifact
        self._encoder_spec = image_encoder_spec(artifact.variant)
        self._decoder_spec = mask_decoder_spec(artifact.variant, artifact.prompt_slots)

    def encode_image(self, frame: Tensor) -> Tensor:
        """Encode a frame, float32 (1, 3, S, S) RGB in 0…255, to image embeddings, (1, dim, S/16, S/16).

        Raises:
            ArtifactError: the engine fails, or its output has a wrong shape.
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
        """Answer the prompts of B objects, one after the other.

        Args:
            image_embeddings: (1, dim, S/16, S/16).
            points: coordinates x, y in pixels of the frame, (B, N, 2), and labels, (B, N); None without points.
            boxes: x1, y1, x2, y2 in pixels of the frame, (B, 4); None without boxes.
            mask_input: logits of earlier masks, (B, 1, S/4, S/4); None without them.

        Returns:
            Mask logits, (B, 4, S/4, S/4), and predicted IoUs, (B, 4).

        Raises:
            PromptError: the prompt of an object needs more slots than the artifact has.
            ArtifactError: the engine fails, or its output has a wrong shape.
        """
        coords, labels = (None, None) if points is None else points
        given = [part for part in (coords, boxes, mask_input) if part is not None]
        answers = []
        for b in range(len(given[0]) if given else 1):
            object_coords, object_labels, box, mask = (
                None if part is None else part[b : b + 1]
                for part in (coords, labels, boxes, mask_input)
            )
            object_points = None
            if object_coords is not None and object_labels is not None:
                object_points = object_coords, object_labels
            answers.append(self._decode_object(image_embeddings, object_points, box, mask))
        low_res_masks, iou_predictions = zip(*answers, strict=True)
        return torch.cat(low_res_masks), torch.cat(iou_predictions)

    @property
    def promptable(self) -> "ArtifactModel":
        """The model itself, because the engine answers prompts one by one."""
        return self

    def _decode_object(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        box: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Answer the prompt of one object, each part of which has a batch axis of 1."""
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
        """Refuse outputs whose number or shapes differ from ``spec``."""
        shapes = [tuple(output.shape) for output in outputs]
        expected = [tensor.shape for tensor in spec.outputs]
        if shapes != expected:
            names = ", ".join(tensor.name for tensor in spec.outputs)
            raise ArtifactError(
                f"{self._artifact.folder}: {spec.name} gives {names} of shape {shapes}: expected "
                f"{expected}; convert again"
            )
