"""Compares two pipelines, the reference and an artifact, on photos and prompts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter

from torch import Tensor

from converters.samples import SampleCase
from reference.common.progress import progress
from validation.artifacts.artifact import Artifact
from validation.comparison.judging import Judge, failed_cases
from validation.comparison.results import CaseResult
from validation.comparison.side_by_side import Call
from validation.comparison.stage_exchange import StageError, exchange_stages
from validation.documents.verdicts import NOT_RUN, Unavailable
from validation.engines.artifact_model import ArtifactModel
from validation.gates import Gates
from validation.questions.cases import Answer, Question
from validation.questions.pipeline import PhotoPipeline
from validation.stages import IMAGE_ENCODER, MASK_DECODER

# Called with the number of cases that were answered since the last call.
OnCases = Callable[[int], object]


def compare_pipelines(
    artifact: Artifact,
    questions: Sequence[Question],
    reference: PhotoPipeline | Unavailable,
    candidate: PhotoPipeline,
    gates: Gates,
    pictures: bool = False,
) -> list[CaseResult]:
    """Run reference and artifact on every photo, judge each case, and show a progress bar; see ``judge_photos``."""
    with progress(description=artifact.name, total=count_cases(questions), unit="case") as bar:
        return judge_photos(
            artifact, questions, reference, candidate, gates, pictures, on_cases=bar.update
        )


def count_cases(questions: Iterable[Question]) -> int:
    """The number of prompts about all photos."""
    return sum(len(question.cases) for question in questions)


def judge_photos(
    artifact: Artifact,
    questions: Sequence[Question],
    reference: PhotoPipeline | Unavailable,
    candidate: PhotoPipeline,
    gates: Gates,
    pictures: bool,
    on_cases: OnCases,
) -> list[CaseResult]:
    """Run reference and artifact on every photo, and judge each case.

    Args:
        artifact: the artifact that is compared.
        questions: the photos and prompts.
        reference: the reference. If it cannot be had, photos are NOT_RUN, but goldens are run.
        candidate: the artifact's way from photo to mask.
        gates: the limits for each case.
        pictures: whether to keep pictures of each case.
        on_cases: called after each case, or after several at once.
    """
    judge = Judge(artifact, candidate, gates, pictures)
    live = None if isinstance(reference, Unavailable) else reference
    results: list[Future[list[CaseResult]]] = []
    # A photo is judged while the engine computes the answers about the next one.
    with ThreadPoolExecutor(1) as judging:
        for question in questions:
            if isinstance(reference, Unavailable) and question.stored is None:
                results.append(judging.submit(skipped_cases, question, reference.reason))
                on_cases(len(question.cases))
                continue
            try:
                photo = exchange_stages(
                    question, judge.arithmetic, live, candidate, partial(on_cases, 1)
                )
            except StageError as error:
                results.append(judging.submit(failed_cases, question, error))
                on_cases(len(question.cases))
                continue
            results.append(judging.submit(judge.results, question, photo))
        return [result for cases in results for result in cases.result()]


def skipped_cases(question: Question, reason: str) -> list[CaseResult]:
    """Return the results of a photo whose cases cannot be run for this reason."""
    return [
        CaseResult(case, question.photo, question.kind, NOT_RUN, reasons=(reason,))
        for case in question.cases
    ]


class HostedPipeline(PhotoPipeline):
    """A pipeline that is used from any thread, but runs in one."""

    def __init__(self, pipeline: PhotoPipeline, call: Call) -> None:
        """Take a pipeline, and what calls a function in its thread."""
        super().__init__(pipeline.model)
        self._pipeline, self._call = pipeline, call

    def encode(self, frame: Tensor) -> Tensor:
        return self._call(partial(self._pipeline.encode, frame))

    def decode(
        self,
        image_embeddings: Tensor,
        case: SampleCase,
        photo_size: tuple[int, int],
        mask_input: Tensor | None,
    ) -> Answer:
        return self._call(
            partial(self._pipeline.decode, image_embeddings, case, photo_size, mask_input)
        )


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
