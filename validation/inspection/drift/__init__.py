"""Where an artefact departs from the reference: operation by operation, or module by module.

Every one of them is computed from the *reference's* inputs, so that the error that it makes itself
is told apart from what it inherits.
"""

from importlib import import_module

from torch import Tensor

from converters.prompt_slots import SlotPrompt
from reference.modeling.sam import Sam
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.inspection.drift.drift import Drift, worst

__all__ = ["Drift", "measure_drift", "worst"]

# By name, since each module imports what it runs with.
_MODULES = {
    "coreml": "validation.inspection.drift.core_ml",
    "torchscript": "validation.inspection.drift.torchscript",
}


def measure_drift(
    artifact: Artifact, sam: Sam, frame: Tensor, prompt: SlotPrompt
) -> list[Drift] | Unavailable:
    """Own and total error of every operation (Core ML) or module (TorchScript) that computes.

    Args:
        artifact: a verified artefact.
        sam: the reference with the weights that the artefact was converted from.
        frame: float32 (1, 3, S, S) RGB in 0…255.
        prompt: about that frame, in as many slots as the artefact has. The mask decoder is given
            the reference's embeddings of the frame.

    Returns:
        In the order of computation, image encoder first; or why it cannot be measured.

    Raises:
        ArtifactError: the artefact cannot be loaded or run.
    """
    return import_module(_MODULES[artifact.format]).measure(artifact, sam, frame, prompt)
