"""The inputs of a run: a photo and prompts for it, as an app would pass them to an artifact."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from converters.prompt_slots import fill_slots
from converters.samples import SampleCase
from reference.common.errors import ArtifactError
from reference.photos.images import read_image
from validation.artifacts.artifact import Artifact
from validation.engines import Engine
from validation.engines.artifact_model import ArtifactModel
from validation.latency.running.plan import END_TO_END, IMAGE_ENCODER, MASK_DECODER
from validation.questions.cases import is_ambiguous
from validation.questions.goldens import golden_questions
from validation.questions.pipeline import PhotoPipeline
from validation.questions.prompt_matrix import photo_question


@runtime_checkable
class WholeEngine(Protocol):
    """An engine that goes from a photo's file to a mask in its own way, as other libraries do."""

    def segment(self, image: Path, case: SampleCase) -> np.ndarray:
        """Return the mask that a user would see: boolean, in the photo's (height, width)."""
        ...


class Inputs:
    """A photo, both in memory and on disk, and prompts for it in slots."""

    def __init__(self, artifact: Artifact, image: Path | None) -> None:
        """Read ``image`` or the first golden photo, and the prompts that need no earlier mask."""
        self._artifact, self._image = artifact, image
        if image is None:
            question = golden_questions(artifact)[0]
            self._read = question.read
        else:
            question = photo_question(image, artifact.prompt_slots)
            self._read = lambda: read_image(image)
        self._photo = self._read()
        self._cases = [case for case in question.cases if case.mask_from is None]
        self._last: dict[str, tuple[Tensor, ...]] = {}  # stage → its last output

    def require_finite(self, stage: str) -> None:
        """Check that the stage's last output is finite, since the time of a wrong result is useless.

        The check is not part of a timed run, because an app would not do it.

        Raises:
            ArtifactError: the output has a NaN or an infinity.
        """
        if not all(tensor.isfinite().all() for tensor in self._last.get(stage, ())):
            raise ArtifactError(
                f"{stage.replace('_', ' ')}: the output has NaN or infinity: expected finite numbers; run "
                "'validate compare' to see where they appear"
            )

    def stages(self, engine: Engine) -> dict[str, Callable[[], object]]:
        """Return the function that runs each stage once. Successive runs cycle through the prompts."""
        artifact, photo_size = self._artifact, self._photo.shape[:2]
        pipeline = PhotoPipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
        frame = pipeline.preprocess(self._photo)
        variant = artifact.variant
        prompts = itertools.cycle(
            [
                fill_slots(
                    artifact.prompt_slots,
                    variant.mask_size,
                    *case.in_frame(photo_size, variant.image_size),
                    None,
                )
                for case in self._cases
            ]
        )
        cases = itertools.cycle(self._cases)

        def encode() -> None:
            self._last[IMAGE_ENCODER] = (engine.encode(frame),)

        def decode() -> None:
            (image_embeddings,) = self._last[IMAGE_ENCODER]
            self._last[MASK_DECODER] = engine.decode(image_embeddings, next(prompts))

        def own_way() -> np.ndarray:
            return engine.segment(self._image, next(cases))

        def end_to_end() -> np.ndarray:
            case, pixels = next(cases), self._read()
            embeddings = pipeline.encode(pipeline.preprocess(pixels))
            answer = pipeline.decode(embeddings, case, pixels.shape[:2], None)
            index = answer.shown_mask(is_ambiguous(case))
            mask = answer.low_res_masks[:, index : index + 1]
            return pipeline.resize(mask, pixels.shape[:2])

        return {
            IMAGE_ENCODER: encode,  # first, because the decoder takes its last output
            MASK_DECODER: decode,
            END_TO_END: own_way if isinstance(engine, WholeEngine) else end_to_end,
        }
