"""What an artefact is held to: the largest losses that still count as the reference's masks.

The limits are in ``gates.toml``, where each is explained, and in a user's own file of that form.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reference.common.errors import ArtifactError, GateError
from reference.common.plain_text import quote, shorten
from validation.artifacts.artifact import Artifact
from validation.comparison.agreement import Agreement, StageLoss
from validation.documents.limits import limit, read_limit
from validation.documents.toml_file import read_toml
from validation.questions.pipeline import IMAGE_ENCODER, MASK_DECODER, PREPROCESSING

if TYPE_CHECKING:
    from validation.comparison.results import Summary

DEFAULTS = Path(__file__).with_name("gates.toml")


@dataclass(frozen=True)
class Gates:
    """Limits for one format and scheme; see ``gates.toml``. Whatever they are, all outputs must be finite."""

    min_iou: float = limit(0, 1)
    mean_iou: float = limit(0, 1)
    mean_boundary_iou: float = limit(0, 1)
    max_score_difference: float = limit(0, 1)
    min_same_choice: float = limit(0, 1)
    max_miou_lost: float = limit(-1, 1)  # an artefact may be asked to be better
    max_frame_difference: float = limit(0, 255)
    min_embeddings_sqnr: float = limit(0, 200)
    min_logits_sqnr: float = limit(0, 200)

    def failures(self, agreement: Agreement) -> list[str]:
        """Which limits of a case from photo to mask are not held, in words; empty if all are."""
        failures = []
        if count := agreement.logits.not_finite:
            failures.append(f"{count} mask logits are not finite")
        if agreement.min_iou < self.min_iou:
            failures.append(f"mask IoU {agreement.min_iou:.4f}, gate {self.min_iou:g}")
        if not agreement.score_difference <= self.max_score_difference:
            failures.append(
                f"score off by {agreement.score_difference:.4f}, gate {self.max_score_difference:g}"
            )
        return failures

    def stage_failures(self, losses: tuple[StageLoss, ...]) -> dict[str, str]:
        """Stages whose own output does not hold its limit, with the reason in words."""
        failures = {}
        for loss in losses:
            if loss.output is not None and (reason := self._stage_failure(loss)):
                failures[loss.stage] = reason
        return failures

    def summary_failures(self, summary: "Summary") -> list[str]:
        """Which limits on all cases together are not held, in words; empty if all are."""
        failures = []
        if summary.mean_iou < self.mean_iou:
            failures.append(f"mean mask IoU {summary.mean_iou:.4f}, gate {self.mean_iou:g}")
        if summary.mean_boundary_iou < self.mean_boundary_iou:
            failures.append(
                f"mean boundary IoU {summary.mean_boundary_iou:.4f}, gate {self.mean_boundary_iou:g}"
            )
        if summary.same_choice is not None and summary.same_choice < self.min_same_choice:
            failures.append(
                f"the best of three masks is the same one for {summary.same_choice:.0%} of ambiguous "
                f"prompts, gate {self.min_same_choice:.0%}"
            )
        if summary.miou_lost is not None and summary.miou_lost > self.max_miou_lost:
            failures.append(
                f"mIoU with the true masks is {summary.miou_lost:.4f} lower than the reference's, gate "
                f"{self.max_miou_lost:g}"
            )
        return failures

    def _stage_failure(self, loss: StageLoss) -> str | None:
        output = loss.output
        if output.not_finite:
            return f"{loss.stage}: {output.not_finite} values are not finite"
        if loss.stage == PREPROCESSING and not output.largest <= self.max_frame_difference:
            return (
                f"{loss.stage}: a pixel of the frame is off by {output.largest:.3g} of 255, gate "
                f"{self.max_frame_difference:g}"
            )
        lowest = {IMAGE_ENCODER: self.min_embeddings_sqnr, MASK_DECODER: self.min_logits_sqnr}
        if output.sqnr < lowest.get(loss.stage, -math.inf):
            return f"{loss.stage}: SQNR {output.sqnr:.1f} dB, gate {lowest[loss.stage]:g} dB"
        return None


def read_gates(path: Path | None = None) -> dict[str, dict[str, Gates]]:
    """Format → scheme → limits: the defaults, with what a user's file says instead.

    Raises:
        GateError: the file cannot be read, or says something that is no limit.
    """
    tables = read_toml(DEFAULTS, GateError)
    changes = {} if path is None else read_toml(path, GateError)
    for format_name, schemes in changes.items():
        if format_name not in tables:
            raise GateError(
                f"{path}: [{shorten(format_name)}]: expected {' or '.join(tables)}, then a scheme"
            )
        for scheme, limits in _table(path, format_name, schemes).items():
            place = f"{format_name}.{scheme}"
            if scheme not in tables[format_name]:
                raise GateError(
                    f"{path}: [{shorten(place)}]: expected a scheme of {format_name}: "
                    f"{', '.join(tables[format_name])}"
                )
            for name, value in _table(path, place, limits).items():
                tables[format_name][scheme][name] = read_limit(
                    Gates, name, value, f"{path}: [{place}]", GateError
                )
    return {
        format_name: {scheme: Gates(**limits) for scheme, limits in schemes.items()}
        for format_name, schemes in tables.items()
    }


def gates_for(artifact: Artifact, gates: Mapping[str, Mapping[str, Gates]]) -> Gates:
    """The limits for an artefact; ArtifactError if there are none for its scheme."""
    known = gates[artifact.format]
    if artifact.scheme not in known:
        raise ArtifactError(
            f"{artifact.folder}: no gates for scheme '{artifact.scheme}' of {artifact.format}: "
            f"expected one of {', '.join(known)}"
        )
    return known[artifact.scheme]


def _table(path: Path, place: str, value: object) -> dict:
    if not isinstance(value, dict):
        raise GateError(
            f"{path}: '{place}' is {quote(value)}: expected a table, such as [coreml.int8]"
        )
    return value
