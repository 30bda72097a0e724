"""Compares two pipelines, the reference and an artifact, on photos and prompts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from time import perf_counter

from torch import Tensor

from converters.samples import SampleCase
from reference.common.progress import progress
from validation.artifacts.artifact import Artifact
from validation.comparison.judging import Judge, failed_case
from validation.comparison.results import CaseResult
from validation.comparison.stage_exchange import StageError, exchange_stages
from validation.documents.verdicts import NOT_RUN, Unavailable
from validation.engines.artifact_model import ArtifactModel
from validation.gates import Gates
from validation.questions.cases import Answer, Question
from validation.questions.pipeline import PhotoPipeline
from validation.stages import IMAGE_ENCODER, MASK_DECODER


def compare_pipelines(
    artifact: Artifact,
    questions: Sequence[Question],
    reference: PhotoPipeline | Unavailable,
    candidate: PhotoPipeline,
    gates: Gates,
    pictures: bool = False,
) -> list[CaseResult]:
    """Run reference and artifact on every photo, and judge each case.

    Args:
        artifact: the artifact that is compared.
        questions: the photos and prompts.
        reference: the reference. If it cannot be had, photos are NOT_RUN, but goldens are run.
        candidate: the artifact's way from photo to mask.
        gates: the limits for each case.
        pictures: whether to keep pictures of each case.
    """
    total = sum(len(question.cases) for question in questions)
    results: list[CaseResult] = []
    with progress(description=artifact.name, total=total, unit="case") as bar:
        judge = Judge(artifact, candidate, gates, pictures)
        for question in questions:
            if isinstance(reference, Unavailable) and question.stored is None:
                results += skipped_cases(question, reference.reason)
                bar.update(len(question.cases))
                continue
            live = None if isinstance(reference, Unavailable) else reference
            try:
                photo = exchange_stages(question, judge.arithmetic, live, candidate, bar.update)
            except StageError as error:
                results += [failed_case(question, case, error) for case in question.cases]
                bar.update(len(question.cases))
                continue
            for case, answers in zip(question.cases, photo.cases, strict=True):
                results.append(judge.case_result(question, photo, case, answers))
    return results


def skipped_cases(question: Question, reason: str) -> list[CaseResult]:
    """Return the results of a photo whose cases cannot be run for this reason."""
    return [
        CaseResult(case, question.photo, question.kind, NOT_RUN, reasons=(reason,))
        for case in question.cases
    ]


class TimedPipeline(PhotoPipeline):
    """A pipeline that measures how long the artifact's two modules take."""

    def __init__(self, model: ArtifactModel, mask_threshold: float) -> None:
        super().__init__(model, mask_threshold)
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def encode(self, frame: Tensor) -> Tensor:
        with self._timing(IMAGE_ENCODER):
            return super().encode(frame)

    def decode(
        self,
        image_embeddings: Tensor,
        case: SampleCase,
        photo_size: tuple[int, int],
        mask_input: Tensor | None,
    ) -> Answer:
        with self._timing(MASK_DECODER):
            return super().decode(image_embeddings, case, photo_size, mask_input)

    def median_seconds(self) -> dict[str, float]:
        """Median time of a call in seconds, by stage."""
        return {stage: median(times) for stage, times in self._seconds.items()}

    @contextmanager
    def _timing(self, stage: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._seconds[stage].append(perf_counter() - start)
