"""The reference with an artifact's own weights, to ask it about photos that are not goldens."""

from pathlib import Path

from reference.builder import load_sam
from reference.common.errors import ArtifactError, CheckpointError
from reference.modeling.sam import Sam
from reference.weights.checkpoint import BUILT_IN, resolve_checkpoint
from validation.artifacts.artifact import MANIFEST_FILE, Artifact
from validation.documents.verdicts import Unavailable


def load_reference(
    artifact: Artifact, checkpoint: str | Path | None, required: bool
) -> Sam | Unavailable:
    """The model that the artifact was converted from.

    Args:
        artifact: its manifest says which weights these were.
        checkpoint: where the weights are: a file, or a name of BUILT_IN. None: the manifest's, if
            they can be had by name.
        required: whether to raise if the weights cannot be had without being told where they are.

    Raises:
        CheckpointError: the weights cannot be fetched, read or loaded.
        ArtifactError: they are not those that the artifact was converted from.
    """
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
        return Unavailable(str(error))  # the official weights, without a network
    if weights.sha256 != artifact.checkpoint.sha256:
        raise ArtifactError(
            f"{artifact.folder / MANIFEST_FILE}: converted from weights of SHA-256 "
            f"{artifact.checkpoint.sha256}, but '{weights.name}' has {weights.sha256}: pass "
            f"--checkpoint with the '{artifact.checkpoint.name}' that it was converted from, or "
            "convert again"
        )
    return load_sam(artifact.variant, weights)


def _unavailable(reason: str, required: bool) -> Unavailable:
    if required:
        raise ArtifactError(f"photos cannot be compared: {reason}")
    return Unavailable(reason)
