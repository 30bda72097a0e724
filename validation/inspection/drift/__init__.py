"""Where an artifact departs from the reference: operation by operation, or module by module.

Every one of them is computed from the *reference's* inputs, so that the error that it makes itself
is told apart from what it inherits.
"""

from collections.abc import Callable

from torch import Tensor

from converters.prompt_slots import SlotPrompt
from reference.modeling.sam import Sam
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.inspection.drift.drift import Drift, worst

__all__ = ["Drift", "measure_drift", "worst"]


def measure_drift(
    artifact: Artifact, sam: Sam, frame: Tensor, prompt: SlotPrompt
) -> list[Drift] | Unavailable:
    """Own and total error of every operation (Core ML) or module (TorchScript) that computes.

    Args:
        artifact: a verified artifact.
        sam: the reference with the weights that the artifact was converted from.
        frame: float32 (1, 3, S, S) RGB in 0…255.
        prompt: about that frame, in as many slots as the artifact has. The mask decoder is given
            the reference's embeddings of the frame.

    Returns:
        In the order of computation, image encoder first; or why it cannot be measured.

    Raises:
        ArtifactError: the artifact cannot be loaded or run.
    """
    return _MEASURES[artifact.format]()(artifact, sam, frame, prompt)


def _core_ml() -> Callable:
    from validation.inspection.drift.core_ml import measure

    return measure


def _torchscript() -> Callable:
    from validation.inspection.drift.torchscript import measure

    return measure


# Functions, since each imports what it runs with.
_MEASURES = {"coreml": _core_ml, "torchscript": _torchscript}
