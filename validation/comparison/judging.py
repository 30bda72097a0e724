"""Judges measurements by the gates, and says which gates fail and why."""

import math
from functools import lru_cache

import numpy as np

from converters.samples import SampleCase
from validation.artifacts.artifact import Artifact
from validation.comparison.agreement import Agreement, StageLoss, measure, stage_to_blame
from validation.comparison.case_pictures import draw_case, shrink_photo
from validation.comparison.proof import Evidence, embeddings_evidence, evidence_of
from validation.comparison.results import CasePictures, CaseResult, Summary
from validation.comparison.stage_exchange import CaseAnswers, PhotoAnswers, StageError
from validation.comparison.stage_losses import CaseMasks, stage_losses
from validation.documents.verdicts import FAILED, NOT_PROVEN, PASSED
from validation.gates import Gates
from validation.questions.cases import Question, is_ambiguous
from validation.questions.pipeline import PhotoArithmetic, PhotoPipeline
from validation.stages import IMAGE_ENCODER, MASK_DECODER, PREPROCESSING


def case_failures(gates: Gates, agreement: Agreement) -> list[str]:
    """The gates that one case fails, in words; empty if it holds all of them."""
    failures = []
    if count := agreement.logits.not_finite:
        failures.append(f"{count} mask logits are not finite")
    if (index := failed_mask(gates, agreement)) is not None:
        limit = _iou_limit(gates, agreement, index)
        audience = "users see" if agreement.is_seen(index) else "no user sees"
        failures.append(
            f"mask IoU {agreement.mask_ious[index]:.4f}, gate {limit:g} (mask {index}, which {audience})"
        )
    if not agreement.score_difference <= gates.max_score_difference:
        failures.append(
            f"score off by {agreement.score_difference:.4f}, gate {gates.max_score_difference:g}"
        )
    return failures


def failed_mask(gates: Gates, agreement: Agreement) -> int | None:
    """Index of the mask that fails its gate; None if all four hold. The worst of those that users see comes first."""

    def order(index: int) -> tuple[bool, float]:
        return not agreement.is_seen(index), agreement.mask_ious[index]

    indexes = sorted(range(len(agreement.mask_ious)), key=order)
    return next((index for index in indexes if not _holds(gates, agreement, index)), None)


def hidden_failure(gates: Gates, agreement: Agreement) -> int | None:
    """Index of the mask that fails its gate, if no user sees it; None otherwise."""
    index = failed_mask(gates, agreement)
    return None if index is None or agreement.is_seen(index) else index


def judged_by_pixels(gates: Gates, agreement: Agreement) -> list[int]:
    """Indexes of the masks whose IoU is below its gate, and which hold because only a handful of pixels differ."""
    return [
        index
        for index, iou in enumerate(agreement.mask_ious)
        if iou < _iou_limit(gates, agreement, index) and _holds(gates, agreement, index)
    ]


def _iou_limit(gates: Gates, agreement: Agreement, index: int) -> float:
    return gates.min_iou if agreement.is_seen(index) else gates.min_hidden_iou


def _holds(gates: Gates, agreement: Agreement, index: int) -> bool:
    is_close = agreement.mask_ious[index] >= _iou_limit(gates, agreement, index)
    return is_close or agreement.differing_shares[index] < gates.max_handful


def stage_failures(gates: Gates, losses: tuple[StageLoss, ...]) -> dict[str, str]:
    """The stages whose own output fails a gate, each with the reason in words."""
    failures = {}
    for loss in losses:
        if loss.output is not None and (reason := _stage_failure(gates, loss)):
            failures[loss.stage] = reason
    return failures


def summary_failures(gates: Gates, summary: Summary) -> list[str]:
    """The gates on all cases together that fail, in words; empty if all hold."""
    failures = []
    if summary.mean_iou < gates.mean_iou:
        failures.append(f"mean mask IoU {summary.mean_iou:.4f}, gate {gates.mean_iou:g}")
    if summary.mean_boundary_iou < gates.mean_boundary_iou:
        failures.append(
            f"mean boundary IoU {summary.mean_boundary_iou:.4f}, gate {gates.mean_boundary_iou:g}"
        )
    if summary.same_choice is not None and summary.same_choice < gates.min_same_choice:
        failures.append(
            f"the best of three masks is the same one for {summary.same_choice:.0%} of ambiguous "
            f"prompts, gate {gates.min_same_choice:.0%}"
        )
    if summary.miou_lost is not None and summary.miou_lost > gates.max_miou_lost:
        failures.append(
            f"mIoU with the true masks is {summary.miou_lost:.4f} lower than with the reference, gate "
            f"{gates.max_miou_lost:g}"
        )
    return failures


def _stage_failure(gates: Gates, loss: StageLoss) -> str | None:
    output = loss.output
    if output.not_finite:
        return f"{loss.stage}: {output.not_finite} values are not finite"
    if loss.stage == PREPROCESSING and not output.largest <= gates.max_frame_difference:
        return (
            f"{loss.stage}: a pixel of the frame is off by {output.largest:.3g} of 255, gate "
            f"{gates.max_frame_difference:g}"
        )
    lowest = {IMAGE_ENCODER: gates.min_embeddings_sqnr, MASK_DECODER: gates.min_logits_sqnr}
    if output.sqnr < lowest.get(loss.stage, -math.inf):
        return f"{loss.stage}: SQNR {output.sqnr:.1f} dB, gate {lowest[loss.stage]:g} dB"
    return None


class Judge:
    """Measures cases and judges them by the gates.

    Attributes:
        arithmetic: the reference's way from a photo to its frame and from logits to masks.
    """

    def __init__(
        self, artifact: Artifact, candidate: PhotoPipeline, gates: Gates, pictures: bool
    ) -> None:
        """Take the artifact, its way from photo to mask, the gates, and whether to draw pictures."""
        variant = artifact.variant
        mean_color = np.array(variant.pixel_mean, np.float32)
        self.arithmetic = PhotoArithmetic(variant.image_size, mean_color)
        self._candidate, self._gates, self._pictures = candidate, gates, pictures
        # Cases come photo by photo, so the last photo is enough to do this only once for each.
        last = lru_cache(maxsize=1)
        self._shrunken = last(lambda photo: shrink_photo(photo.pixels))
        self._embeddings = last(lambda photo: embeddings_evidence(photo.reference_embeddings))

    def results(self, question: Question, photo: PhotoAnswers) -> list[CaseResult]:
        """Measure and judge all cases about a photo, from all answers about it."""
        return [
            self._result(question, photo, case, answers)
            for case, answers in zip(question.cases, photo.cases, strict=True)
        ]

    def _result(
        self,
        question: Question,
        photo: PhotoAnswers,
        case: SampleCase,
        answers: CaseAnswers | StageError,
    ) -> CaseResult:
        if isinstance(answers, StageError):
            return _failed_case(question, case, answers)
        masks = CaseMasks(photo.photo_size)
        agreement = measure(
            answers.artifact,
            answers.expected,
            masks.of(answers.artifact, self._candidate),
            masks.of(answers.expected, self.arithmetic),
            is_ambiguous(case),
            question.truths.get(case.name),
        )
        losses = stage_losses(photo, answers, masks, self.arithmetic, self._candidate)
        failed_stages = stage_failures(self._gates, losses)
        evidence = evidence_of(
            answers.expected,
            self._embeddings(photo),
            masks.of(answers.expected, self.arithmetic),
            is_ambiguous(case),
        )
        failures = (*case_failures(self._gates, agreement), *failed_stages.values())
        status, reasons = _status(failures, evidence)
        blamed = None
        if status == FAILED and evidence.is_finite:
            lost = max(1 - agreement.min_iou, agreement.score_difference)
            blamed = stage_to_blame(losses, failed_stages, lost)
        return CaseResult(
            case,
            question.photo,
            question.kind,
            status,
            photo.photo_size,
            agreement,
            evidence,
            losses,
            reasons,
            blamed,
            hidden_mask=(hidden := hidden_failure(self._gates, agreement)),
            **self._pictures_of(photo, answers, masks, agreement, hidden),
        )

    def _pictures_of(
        self,
        photo: PhotoAnswers,
        answers: CaseAnswers,
        masks: CaseMasks,
        agreement: Agreement,
        hidden: int | None,
    ) -> dict[str, CasePictures | None]:
        """Draw the masks that users see, and a hidden one that fails its gate. The keys are fields of the result."""
        if not self._pictures:
            return {}

        def draw(reference_index: int, artifact_index: int) -> CasePictures:
            return draw_case(
                self._shrunken(photo),
                masks.of(answers.expected, self.arithmetic)[reference_index],
                masks.of(answers.artifact, self._candidate)[artifact_index],
                (answers.artifact.low_res_masks - answers.expected.low_res_masks)[
                    0, reference_index
                ],
                photo.photo_size,
                self.arithmetic.frame_size,
            )

        return {
            "pictures": draw(agreement.best_index, agreement.shown_index),
            "hidden_pictures": None if hidden is None else draw(hidden, hidden),
        }


def _status(failures: tuple[str, ...], evidence: Evidence) -> tuple[str, tuple[str, ...]]:
    """The status of a case and the reasons for it, from the gates that it fails and what it is evidence of."""
    if not evidence.is_finite:
        return FAILED, (evidence.no_mask, *failures)
    if failures:
        return FAILED, failures
    return (NOT_PROVEN, (evidence.no_mask,)) if evidence.no_mask else (PASSED, ())


def failed_cases(question: Question, error: StageError) -> list[CaseResult]:
    """The results of a photo about which the artifact cannot be asked anything."""
    return [_failed_case(question, case, error) for case in question.cases]


def _failed_case(question: Question, case: SampleCase, error: StageError) -> CaseResult:
    """The result of a case for which the artifact cannot be run."""
    return CaseResult(
        case, question.photo, question.kind, FAILED, reasons=(str(error),), blamed=error.stage
    )
