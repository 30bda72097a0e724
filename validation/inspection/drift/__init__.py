"""Finds where an artifact departs from the reference, operation by operation or module by module.

Each operation or module is also computed from the *reference* inputs. This separates its own error from the
error that it inherits from earlier ones.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from converters.prompt_slots import SlotPrompt
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.inspection.drift.drift import Drift, worst

if TYPE_CHECKING:  # importing it takes a second, which a comparison without drift does not need
    from reference.modeling.sam import Sam

__all__ = ["Drift", "measure_drift", "worst"]


def measure_drift(
    artifact: Artifact, sam: "Sam", frame: Tensor, prompt: SlotPrompt
) -> list[Drift] | Unavailable:
    """Measure the own and total error of every operation (Core ML) or module (TorchScript) that computes.

    Args:
        artifact: a verified artifact.
        sam: the reference with the weights that the artifact was converted from.
        frame: the frame to run on, float32 (1, 3, S, S) RGB in 0…255.
        prompt: a prompt about that frame, in as many slots as the artifact has. The mask decoder is
            given the reference embeddings of the frame.

    Returns:
        The errors in the order of computation, image encoder first; or why they cannot be measured.

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


# Functions, so that only the libraries of the artifact's format are imported.
_MEASURES = {"coreml": _core_ml, "torchscript": _torchscript}
