"""What an artefact is held to: the largest losses that still count as the reference's masks.

Limits depend on format and scheme alone, not on the weights: an artefact of untrained weights,
whose masks are noisier, passes or fails like any other.
"""

import math
from dataclasses import dataclass

from reference.errors import ArtifactError
from validation.agreement import Agreement
from validation.artifact import Artifact


@dataclass(frozen=True)
class Gates:
    """Limits for one format and scheme. Whatever they are, outputs must be finite.

    Attributes:
        min_mask_iou: of each mask with the reference's, at the photo's own size.
        mean_mask_iou: over all masks of all cases.
        max_score_difference: of each predicted IoU, which is about 0…1.
    """

    min_mask_iou: float
    mean_mask_iou: float
    max_score_difference: float

    def failures(self, agreement: Agreement) -> list[str]:
        """Which limits of a single case are not held, in words; empty if all are."""
        failures = []
        if not math.isfinite(agreement.logit_difference):
            failures.append("mask logits are not finite where the reference's are")
        if agreement.min_iou < self.min_mask_iou:
            failures.append(f"mask IoU {agreement.min_iou:.4f}, gate {self.min_mask_iou:g}")
        if not agreement.score_difference <= self.max_score_difference:
            failures.append(
                f"score off by {agreement.score_difference:.4f}, gate {self.max_score_difference:g}"
            )
        return failures


# Beside each: what was measured with the demo's seeded weights on the built-in cases, as lowest
# and mean IoU and largest score difference. Random weights, which have no redundancy to absorb
# noise with, are about the hardest there are. Core ML packages were measured in ``mil_runtime`` with
# declared numerics; values with a ~ were emulated in PyTorch, before there was that.
GATES: dict[str, dict[str, Gates]] = {
    "torchscript": {
        "none": Gates(0.999, 0.9995, 0.001),  # 1.0000, 1.0000, 1e-6
        "fp16": Gates(0.99, 0.995, 0.01),  # 0.9944, 0.9973, 0.0024
        "int8": Gates(0.80, 0.94, 0.1),  # 0.925, 0.961, 0.029
    },
    "coreml": {
        # The frame is padded with 8-bit colours, which costs more than float32's rounding.
        "none": Gates(0.99, 0.995, 0.01),  # 0.9974, 0.9992
        "fp16": Gates(0.98, 0.99, 0.02),  # 0.9931, 0.9965
        "int8": Gates(0.80, 0.92, 0.1),  # 0.8990, 0.9540
        "lut8": Gates(0.80, 0.92, 0.1),  # ~0.906, ~0.939, ~0.045
        "w8a8": Gates(0.70, 0.85, 0.15),  # ~0.828, ~0.890, ~0.056
        # Few bits are for weights that were trained, and these limits are what makes them worth
        # shipping. Random weights do not hold them all: ~0.77, 0.27 and ~0.13 at the lowest.
        "lut6": Gates(0.65, 0.80, 0.2),
        "int4": Gates(0.65, 0.80, 0.2),
        "lut4": Gates(0.65, 0.80, 0.2),
    },
}


def gates_for(artifact: Artifact) -> Gates:
    """The limits for an artefact; ArtifactError if there are none for its scheme."""
    known = GATES[artifact.format]
    if artifact.scheme not in known:
        raise ArtifactError(
            f"{artifact.folder}: no gates for scheme '{artifact.scheme}' of {artifact.format}: "
            f"expected one of {', '.join(known)}"
        )
    return known[artifact.scheme]
