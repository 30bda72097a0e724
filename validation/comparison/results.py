"""What a comparison found."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from converters.samples import SampleCase
from reference.common.folders import size_of
from validation.artifacts.artifact import Artifact
from validation.comparison.agreement import Agreement, StageLoss
from validation.comparison.proof import Evidence
from validation.documents.verdicts import NOT_RUN, Unavailable
from validation.gates import Gates
from validation.inspection.drift import Drift


@dataclass(frozen=True, eq=False)
class CasePictures:
    """What a report shows of a case, no larger than a screen.

    Attributes:
        photo: uint8 (h, w, 3) RGB; cases about one photo share it.
        reference_mask: what a user of the reference is shown, boolean (h, w).
        artifact_mask: what a user of the artifact is shown, boolean (h, w).
        logit_difference: absolute, of the mask that the reference shows, float32 (h', w'), the
            photo's part of the frame.
    """

    photo: np.ndarray
    reference_mask: np.ndarray
    artifact_mask: np.ndarray
    logit_difference: np.ndarray


@dataclass(frozen=True, eq=False)
class CaseResult:
    """One prompt about one photo.

    Attributes:
        case: the prompt.
        photo: a built-in photo's name, or the path of a user's.
        photo_size: (height, width); None if it did not run.
        kind: "golden" (reference answers stored in the artifact) or "photo" (computed now).
        status: PASSED, FAILED, NOT_PROVEN or NOT_RUN.
        agreement: None if it did not run.
        evidence: what the reference's answer can prove; None if it did not run.
        stages: what each stage lost, in order; empty if it did not run.
        reasons: why it failed, proves nothing, or did not run; empty if it passed.
        blamed: the stage that a failure comes from, one of STAGES; None if it passed, or no stage is
            to blame by itself.
        pictures: None if they were not asked for, or it did not run.
    """

    case: SampleCase
    photo: str
    kind: str
    status: str
    photo_size: tuple[int, int] | None = None
    agreement: Agreement | None = None
    evidence: Evidence | None = None
    stages: tuple[StageLoss, ...] = ()
    reasons: tuple[str, ...] = ()
    blamed: str | None = None
    pictures: CasePictures | None = None

    @property
    def is_finite(self) -> bool:
        """Whether there is no NaN and no infinity in what reference and artifact gave; True if it did not run."""
        if self.agreement is None:
            return True
        outputs = [self.agreement.logits, *(loss.output for loss in self.stages if loss.output)]
        return (
            self.evidence.is_finite
            and math.isfinite(self.agreement.score_difference)
            and not any(output.not_finite for output in outputs)
        )

    @property
    def name(self) -> str:
        """The prompt's."""
        return self.case.name

    @property
    def reason(self) -> str | None:
        """All reasons in one line."""
        return "; ".join(self.reasons) or None


@dataclass(frozen=True)
class Summary:
    """Figures over all cases that ran and are evidence.

    Attributes:
        min_iou: of all masks that are evidence: not of those that are empty, or the whole photo, on both sides.
        mean_iou: likewise.
        mean_boundary_iou: likewise.
        mean_shown_iou: of the masks that users are shown.
        max_score_difference: infinite if a score is not finite.
        same_choice: share of ambiguous prompts for which the same of three masks is shown; None if
            there was none, or the reference's scores are equal in each.
        flip_loss: mean IoU that users lose because another mask is chosen.
        miou_lost: mean IoU with true masks, the reference's minus the artifact's; None without any.
        stage_losses: stage → mean IoU that it loses by itself, of the worst mask; None where the
            reference could not be run.
    """

    min_iou: float
    mean_iou: float
    mean_boundary_iou: float
    mean_shown_iou: float
    max_score_difference: float
    same_choice: float | None
    flip_loss: float
    miou_lost: float | None
    stage_losses: Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class Comparison:
    """One artifact against the reference.

    Attributes:
        artifact: what was compared.
        engine: name of what ran it; None if nothing could.
        gates: what it was held to.
        cases: goldens first.
        summary: None if no case ran, or none is evidence.
        failures: what holds for the whole and not for a case: gates on means, or that the artifact
            cannot be loaded.
        blamed: the stage that most failed cases come from, or that lost most if only the whole
            failed; None if the verdict is not FAILED, or no stage is to blame.
        unproven: what no case proves, in words.
        verdict: PASSED, FAILED, NOT_PROVEN or NOT_RUN.
        seconds: median time of "image_encoder" and "mask_decoder" in this run, on this machine.
        drifts: the operations or modules that depart most from the reference; why that is not known;
            None if it was not asked for.
    """

    artifact: Artifact
    engine: str | None
    gates: Gates
    cases: tuple[CaseResult, ...]
    summary: Summary | None
    failures: tuple[str, ...]
    blamed: str | None
    unproven: tuple[str, ...]
    verdict: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    drifts: tuple[Drift, ...] | Unavailable | None = None

    @property
    def not_run_reasons(self) -> tuple[str, ...]:
        """Why cases did not run, each reason once."""
        reasons = (case.reason for case in self.cases if case.status == NOT_RUN)
        return tuple(dict.fromkeys(reasons))

    @property
    def size_bytes(self) -> int:
        """Size of the two model files."""
        return sum(map(size_of, self.artifact.components.values()))

    def count(self, status: str) -> int:
        """How many cases have ``status``."""
        return sum(case.status == status for case in self.cases)
