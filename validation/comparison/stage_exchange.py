"""Answers prompts about one photo while stages of the artifact replace stages of the reference, one after the other.

For the first answer the reference computes every stage. For each further answer, the artifact computes one more stage,
and the reference the rest. Two neighboring answers therefore differ by what a single stage did to the same input. The
artifact's mask decoder is also run on the reference embeddings, which shows its loss without the losses before it.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from converters.samples import SampleCase
from reference.common.errors import ArtifactError
from validation.metrics import TensorDifference, tensor_difference
from validation.questions.cases import Answer, Question
from validation.questions.pipeline import PhotoArithmetic, PhotoPipeline
from validation.stages import IMAGE_ENCODER, MASK_DECODER, PREPROCESSING


class StageError(ArtifactError):
    """An artifact that cannot be run; ``stage`` names the stage that failed."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


@dataclass(frozen=True, eq=False)
class CaseAnswers:
    """Answers to one prompt, by who computed which stages.

    Attributes:
        expected: the answer that the artifact has to give: the stored one of a golden, else ``reference``.
        reference: the reference computes every stage. It is ``expected`` if the reference cannot be run.
        from_frame: the reference continues from the artifact's frame; None if it cannot be run.
        from_embeddings: the reference continues from the artifact's embeddings; None if it cannot be run.
        decoder_alone: the artifact's decoder continues from the reference embeddings.
        artifact: the artifact computes every stage.
    """

    expected: Answer
    reference: Answer
    from_frame: Answer | None
    from_embeddings: Answer | None
    decoder_alone: Answer
    artifact: Answer


@dataclass(frozen=True, eq=False)
class PhotoAnswers:
    """The answers to all prompts about one photo, and what they were computed from.

    Attributes:
        pixels: the photo, uint8 (H, W, 3) RGB.
        reference_embeddings: the reference's image embeddings, (1, dim, S/16, S/16).
        frame: difference of the artifact's frame from the reference frame.
        embeddings: difference of the artifact's embeddings from those that the reference computes from the artifact's
            frame; None if the reference cannot be run on that frame.
        cases: for each case its answers, or why the artifact gave none.
    """

    pixels: np.ndarray
    reference_embeddings: Tensor
    frame: TensorDifference
    embeddings: TensorDifference | None
    cases: tuple[CaseAnswers | StageError, ...]

    @property
    def photo_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[:2]


@dataclass(frozen=True, eq=False)
class _Frames:
    """The frame of one photo, from the reference and from the artifact.

    Attributes:
        reference: the reference's frame.
        artifact: what the artifact's encoder is given.
        understood: the artifact's frame with exact padding, from which the reference continues.
        difference: difference of ``understood`` from the reference's frame.
        are_equal: whether there is none.
    """

    reference: Tensor
    artifact: Tensor
    understood: Tensor
    difference: TensorDifference
    are_equal: bool


@dataclass(frozen=True, eq=False)
class _ReferenceResults:
    """The results of the reference for one photo, computed now or read from a golden.

    Attributes:
        embeddings: from the reference frame.
        embeddings_of_artifact_frame: None if that frame differs and the reference cannot be run.
        answers: one for each case.
        mask_prompts: by the name of a case, the logits that it refines.
    """

    embeddings: Tensor
    embeddings_of_artifact_frame: Tensor | None
    answers: Sequence[Answer]
    mask_prompts: Mapping[str, Tensor | None]


def exchange_stages(
    question: Question,
    arithmetic: PhotoArithmetic,
    reference: PhotoPipeline | None,
    candidate: PhotoPipeline,
    on_case: Callable[[], object] = lambda: None,
) -> PhotoAnswers:
    """Answer all prompts about one photo with every exchange of stages.

    Args:
        question: the photo and its prompts; ``stored`` answers stand in for a reference that cannot be run.
        arithmetic: the reference's way to a frame and back, which needs no weights.
        reference: the reference; None if its weights are not available.
        candidate: the artifact.
        on_case: called after each case.

    Raises:
        StageError: the artifact fails before the first prompt, in preprocessing or in the image encoder.
    """
    pixels = question.read()
    frames = _make_frames(pixels, arithmetic, candidate)
    with _in_stage(IMAGE_ENCODER):
        embeddings = candidate.encode(frames.artifact)
    results = _ask_reference(question, reference, frames, pixels.shape[:2])
    exchange = _DecoderExchange(
        reference, candidate, pixels.shape[:2], results, embeddings, frames.are_equal
    )
    expected = results.answers if question.stored is None else question.stored.answers
    cases: list[CaseAnswers | StageError] = []
    for case, by_reference, wanted in zip(question.cases, results.answers, expected, strict=True):
        try:
            cases.append(exchange.answer(case, by_reference, wanted))
        except StageError as error:
            cases.append(error)
        on_case()
    return PhotoAnswers(
        pixels,
        results.embeddings,
        frames.difference,
        _difference(embeddings, results.embeddings_of_artifact_frame),
        tuple(cases),
    )


def _make_frames(
    pixels: np.ndarray, arithmetic: PhotoArithmetic, candidate: PhotoPipeline
) -> _Frames:
    reference = arithmetic.preprocess(pixels)
    with _in_stage(PREPROCESSING):
        same = candidate.makes_frames_of(arithmetic)
        artifact = reference if same else candidate.preprocess(pixels)
        understood = arithmetic.with_exact_padding(artifact, reference)
        difference = tensor_difference(understood.numpy(), reference.numpy())
    are_equal = torch.equal(understood, reference)
    return _Frames(reference, artifact, understood, difference, are_equal)


def _ask_reference(
    question: Question,
    reference: PhotoPipeline | None,
    frames: _Frames,
    photo_size: tuple[int, int],
) -> _ReferenceResults:
    cases = question.cases
    if reference is None:
        embeddings, answers = question.stored.image_embeddings, question.stored.answers
        of_artifact_frame = embeddings if frames.are_equal else None
    else:
        embeddings = reference.encode(frames.reference)
        of_artifact_frame = embeddings if frames.are_equal else reference.encode(frames.understood)
        answers = _answer_in_order(cases, partial(_decode, reference, embeddings, photo_size))
    by_name = {case.name: answer for case, answer in zip(cases, answers, strict=True)}
    mask_prompts = {case.name: _mask_prompt(case, by_name) for case in cases}
    return _ReferenceResults(embeddings, of_artifact_frame, answers, mask_prompts)


def _answer_in_order(
    cases: Sequence[SampleCase], decode: Callable[[SampleCase, Tensor | None], Answer]
) -> list[Answer]:
    """Answers to cases about one photo; a case may refine the mask of an earlier one."""
    answers: dict[str, Answer] = {}
    for case in cases:
        answers[case.name] = decode(case, _mask_prompt(case, answers))
    return list(answers.values())


def _decode(
    pipeline: PhotoPipeline,
    embeddings: Tensor,
    photo_size: tuple[int, int],
    case: SampleCase,
    mask_prompt: Tensor | None,
) -> Answer:
    return pipeline.decode(embeddings, case, photo_size, mask_prompt)


def _mask_prompt(case: SampleCase, answers: Mapping[str, Answer]) -> Tensor | None:
    """The mask that a case refines, (1, 1, S/4, S/4) logits of an earlier answer; None if it refines none."""
    if case.mask_from is None:
        return None
    if case.mask_from not in answers:
        raise StageError(
            MASK_DECODER, f"its prompt refines the mask of {case.mask_from}, which has no answer"
        )
    return answers[case.mask_from].low_res_masks[:, case.mask_index : case.mask_index + 1]


class _DecoderExchange:
    """Decodes the prompts about one photo with both decoders, from both embeddings."""

    def __init__(
        self,
        reference: PhotoPipeline | None,
        candidate: PhotoPipeline,
        photo_size: tuple[int, int],
        results: _ReferenceResults,
        embeddings: Tensor,
        same_frame: bool,
    ) -> None:
        """Take what was computed before the first prompt.

        Args:
            reference: the reference; None if it cannot be run.
            candidate: the artifact.
            photo_size: (height, width) of the photo in pixels.
            results: what the reference computed for the photo.
            embeddings: the artifact's embeddings of its own frame.
            same_frame: whether artifact and reference have the same frame.
        """
        self._reference, self._candidate = reference, candidate
        self._photo_size, self._results = photo_size, results
        self._embeddings, self._same_frame = embeddings, same_frame
        self._artifact_answers: dict[str, Answer] = {}

    def answer(self, case: SampleCase, by_reference: Answer, expected: Answer) -> CaseAnswers:
        """Collect every answer to one case; StageError if the artifact has none.

        Args:
            case: the prompt. A case that it refines was answered before.
            by_reference: the answer of the reference alone.
            expected: the answer that the artifact has to give.
        """
        # The artifact refines its own mask, as it does in an app; its decoder alone refines the reference mask.
        own_mask = _mask_prompt(case, self._artifact_answers)
        with _in_stage(MASK_DECODER):
            artifact = self._by_artifact(self._embeddings, case, own_mask)
            decoder_alone = self._by_artifact(
                self._results.embeddings, case, self._results.mask_prompts[case.name]
            )
        self._artifact_answers[case.name] = artifact
        from_frame = by_reference
        if not self._same_frame:
            from_frame = self._by_reference(self._results.embeddings_of_artifact_frame, case)
        return CaseAnswers(
            expected=expected,
            reference=by_reference,
            from_frame=from_frame,
            from_embeddings=self._by_reference(self._embeddings, case),
            decoder_alone=decoder_alone,
            artifact=artifact,
        )

    def _by_artifact(self, embeddings: Tensor, case: SampleCase, mask: Tensor | None) -> Answer:
        return self._candidate.decode(embeddings, case, self._photo_size, mask)

    def _by_reference(self, embeddings: Tensor | None, case: SampleCase) -> Answer | None:
        if self._reference is None:
            return None
        mask_prompt = self._results.mask_prompts[case.name]
        return self._reference.decode(embeddings, case, self._photo_size, mask_prompt)


def _difference(values: Tensor, expected: Tensor | None) -> TensorDifference | None:
    return None if expected is None else tensor_difference(values.numpy(), expected.numpy())


@contextlib.contextmanager
def _in_stage(stage: str) -> Iterator[None]:
    """Turn an error of the artifact into a StageError that names this stage."""
    try:
        yield
    except StageError:
        raise
    except ArtifactError as error:
        raise StageError(stage, str(error)) from error
