"""Ask reference and artifact about one photo, rung by rung.

At each rung one more stage is the artifact's, and the reference does the rest: two neighboring
rungs differ by what that stage alone did to the same input. The mask decoder is also run on the
reference's embeddings.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from converters.samples import SampleCase
from reference.common.errors import ArtifactError
from validation.comparison.agreement import StageLoss, lowest_iou, score_difference
from validation.metrics import TensorDifference, tensor_difference
from validation.questions.cases import Answer, Question
from validation.questions.pipeline import PhotoArithmetic, Pipeline
from validation.stages import IMAGE_ENCODER, MASK_DECODER, MASK_RESIZE, PREPROCESSING


class StageError(ArtifactError):
    """An artifact that cannot be run; ``stage`` says where."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


@dataclass(frozen=True, eq=False)
class Rungs:
    """Answers to one prompt. Those that need a reference to be run are None without one.

    Attributes:
        expected: what the artifact is held to: the reference's, or what is stored of it.
        reference: the reference's from the photo on; ``expected`` if it cannot be run.
        from_frame: the reference's from the artifact's frame on.
        from_embeddings: the reference's from the artifact's embeddings on.
        decoder_alone: the artifact's from the reference's embeddings on.
        artifact: the artifact's from the photo on.
    """

    expected: Answer
    reference: Answer
    from_frame: Answer | None
    from_embeddings: Answer | None
    decoder_alone: Answer
    artifact: Answer


@dataclass(frozen=True, eq=False)
class PhotoRungs:
    """What came of asking about one photo.

    Attributes:
        pixels: uint8 (H, W, 3).
        reference_embeddings: (1, dim, S/16, S/16), the reference's.
        frame: of the artifact's frame, against the reference's.
        embeddings: of the artifact's, against the reference's from the same frame; None if the
            reference could not be run on it.
        cases: per case its answers, or why the artifact has none.
    """

    pixels: np.ndarray
    reference_embeddings: Tensor
    frame: TensorDifference
    embeddings: TensorDifference | None
    cases: tuple[Rungs | StageError, ...]

    @property
    def photo_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.pixels.shape[:2]


def climb(
    question: Question,
    arithmetic: PhotoArithmetic,
    reference: Pipeline | None,
    candidate: Pipeline,
    on_case: Callable[[], None] = lambda: None,
) -> PhotoRungs:
    """Ask about one photo.

    Args:
        question: whose ``stored`` answers stand in for a reference that cannot be run.
        arithmetic: the reference's, which needs no weights.
        reference: None if its weights cannot be had.
        candidate: the artifact.
        on_case: called after each case.

    Raises:
        StageError: the artifact fails before there is a prompt.
    """
    pixels = question.read()
    size, cases = pixels.shape[:2], question.cases
    reference_frame = arithmetic.preprocess(pixels)
    with _in_stage(PREPROCESSING):
        frame = candidate.preprocess(pixels)
        frame_difference = tensor_difference(frame.numpy(), reference_frame.numpy())
    same_frame = torch.equal(frame, reference_frame)
    with _in_stage(IMAGE_ENCODER):
        embeddings = candidate.encode(frame)

    if reference is None:
        reference_embeddings = question.stored.image_embeddings
        from_frame = reference_embeddings if same_frame else None
        answers = list(question.stored.answers)
    else:
        reference_embeddings = reference.encode(reference_frame)
        from_frame = reference_embeddings if same_frame else reference.encode(frame)
        answers = _answer_in_order(
            cases, lambda case, mask: reference.decode(reference_embeddings, case, size, mask)
        )
    expected = answers if question.stored is None else question.stored.answers
    masks = _mask_prompts(cases, answers)

    def by_reference(start: Tensor, case: SampleCase) -> Answer | None:
        return reference and reference.decode(start, case, size, masks[case.name])

    def by_candidate(case: SampleCase, mask_input: Tensor | None) -> tuple[Answer, Answer]:
        """From the artifact's embeddings, and from the reference's."""
        with _in_stage(MASK_DECODER):
            return (
                candidate.decode(embeddings, case, size, mask_input),
                candidate.decode(reference_embeddings, case, size, masks[case.name]),
            )

    rungs: list[Rungs | StageError] = []
    own: dict[str, Answer] = {}
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        try:
            mask_input = _own_mask_prompt(case, own)
            own[case.name], alone = by_candidate(case, mask_input)
        except StageError as error:
            rungs.append(error)
        else:
            rungs.append(
                Rungs(
                    expected=wanted,
                    reference=answer,
                    from_frame=answer if same_frame else by_reference(from_frame, case),
                    from_embeddings=by_reference(embeddings, case),
                    decoder_alone=alone,
                    artifact=own[case.name],
                )
            )
        on_case()
    difference = None
    if from_frame is not None:
        difference = tensor_difference(embeddings.numpy(), from_frame.numpy())
    return PhotoRungs(pixels, reference_embeddings, frame_difference, difference, tuple(rungs))


class PhotoMasks:
    """Masks of one case at the photo's own size, each computed once."""

    def __init__(self, photo_size: tuple[int, int]) -> None:
        self._photo_size = photo_size
        self._masks: dict[tuple[int, int], list[np.ndarray]] = {}

    def of(self, answer: Answer, arithmetic: PhotoArithmetic) -> list[np.ndarray]:
        """The four masks of an answer, as ``arithmetic`` resizes them, boolean (H, W) each."""
        key = id(answer), id(arithmetic)
        if key not in self._masks:
            self._masks[key] = arithmetic.resize_all(answer.low_res_masks, self._photo_size)
        return self._masks[key]


def stage_losses(
    photo: PhotoRungs,
    rungs: Rungs,
    masks: PhotoMasks,
    arithmetic: PhotoArithmetic,
    candidate: Pipeline,
) -> tuple[StageLoss, ...]:
    """What each stage lost in one case, in the stages' order.

    Args:
        photo: what ``climb`` gave.
        rungs: the case's, of ``photo.cases``.
        masks: of the case.
        arithmetic: the reference's.
        candidate: the artifact.
    """

    def iou(answer: Answer | None, other: Answer | None) -> float | None:
        if answer is None or other is None:
            return None
        if not all(answer.finite_masks + other.finite_masks):
            return 0.0
        return lowest_iou(masks.of(answer, arithmetic), masks.of(other, arithmetic))

    def resized_iou(answer: Answer) -> float:
        return lowest_iou(masks.of(answer, candidate), masks.of(answer, arithmetic))

    def scores(answer: Answer | None, other: Answer | None) -> float:
        return 0.0 if answer is None or other is None else score_difference(answer, other)

    of_frame = iou(rungs.from_frame, rungs.reference)
    of_embeddings = iou(rungs.from_embeddings, rungs.from_frame)
    return (
        StageLoss(
            PREPROCESSING,
            of_frame,
            of_frame,
            scores(rungs.from_frame, rungs.reference),
            photo.frame,
        ),
        StageLoss(
            IMAGE_ENCODER,
            of_embeddings,
            of_embeddings,
            scores(rungs.from_embeddings, rungs.from_frame),
            photo.embeddings,
        ),
        StageLoss(
            MASK_DECODER,
            iou(rungs.decoder_alone, rungs.reference),
            iou(rungs.artifact, rungs.from_embeddings),
            scores(rungs.decoder_alone, rungs.reference),
            tensor_difference(
                rungs.decoder_alone.low_res_masks.numpy(), rungs.reference.low_res_masks.numpy()
            ),
        ),
        StageLoss(
            MASK_RESIZE, resized_iou(rungs.reference), resized_iou(rungs.artifact), 0.0, None
        ),
    )


@contextlib.contextmanager
def _in_stage(stage: str) -> Iterator[None]:
    """Say of what the artifact cannot do where it could not."""
    try:
        yield
    except StageError:
        raise
    except ArtifactError as error:
        raise StageError(stage, str(error)) from error


def _answer_in_order(
    cases: Sequence[SampleCase], decode: Callable[[SampleCase, Tensor | None], Answer]
) -> list[Answer]:
    """Answers to cases about one photo, each with its mask prompt from those before."""
    answers: dict[str, Answer] = {}
    for case in cases:
        answers[case.name] = decode(case, _own_mask_prompt(case, answers))
    return list(answers.values())


def _mask_prompts(
    cases: Sequence[SampleCase], answers: Sequence[Answer]
) -> dict[str, Tensor | None]:
    by_name = {case.name: answer for case, answer in zip(cases, answers, strict=True)}
    return {case.name: _own_mask_prompt(case, by_name) for case in cases}


def _own_mask_prompt(case: SampleCase, answers: dict[str, Answer]) -> Tensor | None:
    """(1, 1, S/4, S/4) logits of the case that ``mask_from`` names."""
    if case.mask_from is None:
        return None
    if case.mask_from not in answers:
        raise StageError(MASK_DECODER, f"there is no answer to {case.mask_from} to be refined")
    return answers[case.mask_from].low_res_masks[:, case.mask_index : case.mask_index + 1]
