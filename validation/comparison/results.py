"""The results of a comparison: of one case, over all cases, and of one artifact."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from converters.samples import SampleCase
from validation.artifacts.artifact import Artifact
from validation.comparison.agreement import Agreement, StageLoss
from validation.comparison.proof import Evidence
from validation.documents.verdicts import NOT_RUN, PASSED, Unavailable
from validation.gates import Gates
from validation.inspection.drift import Drift
from validation.questions.cases import GOLDEN, PHOTO


@dataclass(frozen=True, eq=False)
class CasePictures:
    """The pictures of two masks in a report, scaled down to the size of a screen.

    Attributes:
        photo: uint8 (h, w, 3) RGB; cases about one photo share it.
        reference_mask: a mask of the reference, boolean (h, w).
        artifact_mask: the mask of the artifact that is compared with it, boolean (h, w).
        logit_difference: absolute difference of the logits of the mask with the index of ``reference_mask``,
            float32 (h', w'), without the padding of the frame.
        reference_pixels: number of pixels of the photo in the reference mask, before it was scaled down.
        artifact_pixels: the same of the artifact mask.
    """

    photo: np.ndarray
    reference_mask: np.ndarray
    artifact_mask: np.ndarray
    logit_difference: np.ndarray
    reference_pixels: int
    artifact_pixels: int


@dataclass(frozen=True, eq=False)
class CaseResult:
    """The result for one prompt about one photo.

    Attributes:
        case: the prompt.
        photo: name of a built-in photo, or path of a user's photo.
        kind: "golden" (the reference answer is stored in the artifact) or "photo" (it is computed now).
        status: PASSED, FAILED, NOT_PROVEN or NOT_RUN.
        photo_size: (height, width) in pixels; None if the case did not run.
        agreement: how well both answers agree; None if the case did not run.
        evidence: what the reference answer can prove; None if the case did not run.
        stages: what each stage lost, in the order of the stages; empty if the case did not run.
        reasons: why the case failed, proves nothing, or did not run; empty if it passed.
        blamed: the stage that causes a failure, one of STAGES; None if the case passed, or if no
            single stage is to blame.
        pictures: pictures for a report of the masks that users see; None if they were not asked for, or if
            the case did not run.
        hidden_mask: index of the mask that fails its gate, if no user sees it; None otherwise.
        hidden_pictures: pictures of that mask; None if they were not asked for, or if there is no such mask.
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
    hidden_mask: int | None = None
    hidden_pictures: CasePictures | None = None

    @property
    def is_finite(self) -> bool:
        """Whether reference and artifact gave no NaN and no infinity; True if the case did not run."""
        if self.agreement is None or self.evidence is None:
            return True
        outputs = [self.agreement.logits, *(loss.output for loss in self.stages if loss.output)]
        return (
            self.evidence.is_finite
            and math.isfinite(self.agreement.score_difference)
            and not any(output.not_finite for output in outputs)
        )

    @property
    def name(self) -> str:
        """The name of the prompt."""
        return self.case.name

    @property
    def reason(self) -> str | None:
        """Join all reasons in one line; None if there are none."""
        return "; ".join(self.reasons) or None


@dataclass(frozen=True)
class Summary:
    """Figures over all cases that ran and are evidence.

    Attributes:
        min_iou: lowest IoU of all masks.
        min_seen_iou: lowest IoU of the masks that users see.
        mean_iou: mean IoU of the masks that are evidence. A mask that both sides draw empty or as the
            whole photo is not evidence.
        mean_boundary_iou: mean boundary IoU of the masks that are evidence.
        mean_shown_iou: mean IoU of the masks that users are shown.
        max_score_difference: largest difference of a score; infinite if a score is not finite.
        same_choice: share of ambiguous prompts for which the same one of three masks is shown. None if
            no prompt is ambiguous, or if the reference gives all three masks the same score.
        flip_loss: mean IoU that users lose because another mask is chosen.
        miou_lost: mean IoU of the reference with the true masks, minus that of the artifact; None if no
            true mask is known.
        stage_losses: stage → mean over the cases of the IoU that the worst mask loses by this stage
            alone; None if the reference could not be run.
    """

    min_iou: float
    min_seen_iou: float
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
    """The comparison of one artifact with the reference.

    Attributes:
        artifact: the artifact that was compared.
        engine: name of the engine that ran it; None if none could.
        gates: the limits that it was judged by.
        cases: the result of each case, goldens first.
        summary: figures over all cases; None if no case ran, or if none is evidence.
        failures: reasons to fail that concern the whole artifact, in words: a gate on a mean, or an
            artifact that cannot be loaded.
        blamed: the stage that most failed cases come from. If no single case failed, the stage that
            lost most. None if the verdict is not FAILED, or if no stage is to blame.
        unproven: what no case proves, in words.
        verdict: PASSED, FAILED, NOT_PROVEN, INCOMPLETE or NOT_RUN.
        seconds: median time in seconds of "image_encoder" and "mask_decoder" in this run, on this
            machine.
        drifts: the operations or modules that differ most from the reference, or why they are not
            known; None if they were not asked for.
        quick: whether only the goldens were asked about, without running the reference.
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
    quick: bool = False

    @property
    def not_run_reasons(self) -> tuple[str, ...]:
        """The reasons why cases did not run, each once."""
        reasons = (case.reason for case in self.cases if case.status == NOT_RUN)
        return tuple(dict.fromkeys(reason for reason in reasons if reason is not None))

    @property
    def proven(self) -> str:
        """How many cases of each kind passed, such as ``7 of 7 goldens and 0 of 30 cases about other photos``."""
        parts = []
        for kind, words in ((GOLDEN, "goldens"), (PHOTO, "cases about other photos")):
            statuses = [case.status for case in self.cases if case.kind == kind]
            if statuses:
                parts.append(f"{statuses.count(PASSED)} of {len(statuses)} {words}")
        return " and ".join(parts)

    @property
    def size_bytes(self) -> int:
        """Size of the two model files in bytes."""
        return self.artifact.size_bytes

    def count(self, status: str) -> int:
        """Number of cases with ``status``."""
        return sum(case.status == status for case in self.cases)
