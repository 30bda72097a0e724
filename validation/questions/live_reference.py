"""Loads the reference with the weights of an artifact, to run it on photos that are not goldens."""

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
