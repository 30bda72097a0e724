"""The reference with the weights of an artifact, to run it on photos that are not goldens."""

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from reference.common.errors import ArtifactError, CheckpointError
from reference.modeling.variants import Variant
from reference.weights.checkpoint_file import sha256_of_file
from reference.weights.checkpoint_source import BUILT_IN, demo_path, official_path
from validation.artifacts.artifact import MANIFEST_FILE, Artifact
from validation.documents.verdicts import Unavailable

# Importing it takes a second, and a reference whose answers are stored does not run.
if TYPE_CHECKING:
    from reference.modeling.sam import Sam


class LiveReference:
    """A ``PromptableModel`` that loads its weights when it is first asked something.

    Attributes:
        frame_size: side S of the frame, in pixels.
        mean_color: color that the frame is padded with, float32 (3,) RGB in 0…255.
    """

    def __init__(self, variant: Variant, load: "Callable[[], Sam]") -> None:
        """Take the variant of the model, and a function that loads it."""
        self.frame_size = variant.image_size
        self.mean_color = np.array(variant.pixel_mean, np.float32)
        self._load = load

    @cached_property
    def sam(self) -> "Sam":
        """The model with its weights; CheckpointError if they cannot be loaded."""
        return self._load()

    def encode_image(self, frame: Tensor) -> Tensor:
        """Encode a frame, float32 (1, 3, S, S) RGB in 0…255, to image embeddings, (1, dim, S/16, S/16)."""
        return self.sam.encode_image(frame)

    def decode_prompts(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Answer the prompts of B objects, as ``Sam.decode_prompts`` does."""
        return self.sam.decode_prompts(image_embeddings, points, boxes, mask_input)


def find_reference(
    artifact: Artifact, checkpoint: str | Path | None, required: bool
) -> LiveReference | Unavailable:
    """Find the model that the artifact was converted from, as ``load_reference`` does.

    If the file of its weights is at hand and unaltered, it is loaded only when the reference is first asked something.
    """
    load = partial(load_reference, artifact, checkpoint, required)
    source = artifact.checkpoint.name if checkpoint is None else checkpoint
    path = None if checkpoint is None and source not in BUILT_IN else _path_of(source, artifact)
    if path is not None and path.is_file() and sha256_of_file(path) == artifact.checkpoint.sha256:
        return LiveReference(artifact.variant, load)
    sam = load()
    return sam if isinstance(sam, Unavailable) else LiveReference(artifact.variant, lambda: sam)


def _path_of(source: str | Path, artifact: Artifact) -> Path | None:
    """The file of the weights that ``source`` names; None if there is none."""
    demo, official = artifact.variant.demo, artifact.variant.official
    if source == "demo":
        return None if demo is None else demo_path(demo)
    if source == "official":
        return None if official is None else official_path(official)
    return None if source == "seeded" else Path(source)


def load_reference(
    artifact: Artifact, checkpoint: str | Path | None, required: bool
) -> "Sam | Unavailable":
    """Load the model that the artifact was converted from.

    Args:
        artifact: the artifact; its manifest names the weights and their SHA-256.
        checkpoint: the weights: a file, or a name of BUILT_IN. None takes the name in the manifest, if
            it is one of BUILT_IN.
        required: whether missing weights are an error, and not just Unavailable.

    Raises:
        CheckpointError: the weights cannot be fetched, read or loaded.
        ArtifactError: the artifact was converted from other weights, or the weights are required and
            missing.
    """
    from reference.builder import load_sam  # late, as these import the network
    from reference.weights.checkpoint import resolve_checkpoint

    if checkpoint is None and artifact.checkpoint.name not in BUILT_IN:
        return _unavailable(
            f"the artifact was converted from '{artifact.checkpoint.name}': pass --checkpoint with "
            "the path of that file",
            required,
        )
    source = artifact.checkpoint.name if checkpoint is None else checkpoint
    try:
        weights = resolve_checkpoint(source, artifact.variant)
    except CheckpointError as error:
        if required or checkpoint is not None:
            raise
        return Unavailable(str(error))  # such as the official weights without a network
    if weights.sha256 != artifact.checkpoint.sha256:
        raise ArtifactError(
            f"{artifact.folder / MANIFEST_FILE}: converted from weights of SHA-256 "
            f"{artifact.checkpoint.sha256}, but '{weights.name}' has {weights.sha256}: pass the "
            f"'{artifact.checkpoint.name}' that it was converted from as --checkpoint, or convert again"
        )
    return load_sam(artifact.variant, weights)


def _unavailable(reason: str, required: bool) -> Unavailable:
    if required:
        raise ArtifactError(f"photos cannot be compared: {reason}")
    return Unavailable(reason)
