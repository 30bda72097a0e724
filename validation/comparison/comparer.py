"""Compare artifacts with the reference: the same photos and prompts, mask by mask.

Two kinds of cases. Goldens are answered by the artifact the whole way from the photo, and held to
the reference's answers that are stored beside it. Other photos, the built-in ones and the user's,
are answered by the artifact and by the reference with the artifact's own weights.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

from torch import Tensor

from converters.prompt_slots import fill_slots
from converters.samples import SampleCase
from reference.common.errors import ArtifactError
from reference.common.progress import progress
from validation.artifacts.artifact import Artifact, load_artifact
from validation.artifacts.conventions import false_statements
from validation.comparison.conclusion import conclude
from validation.comparison.judging import Judge, failed_case
from validation.comparison.results import CaseResult, Comparison
from validation.comparison.rungs import StageError, climb
from validation.documents.verdicts import NOT_RUN, Unavailable
from validation.engines import Engine, engine_openers, open_first
from validation.engines.artifact_model import ArtifactModel
from validation.engines.isolated import IsolatedEngine, open_isolated
from validation.engines.openers import Opener
from validation.gates import Gates, gates_for, read_gates
from validation.inspection.drift import Drift, measure_drift, worst
from validation.questions.cases import Answer, Question
from validation.questions.goldens import golden_questions
from validation.questions.live_reference import load_reference
from validation.questions.pipeline import CachedPipeline, Pipeline
from validation.questions.prompt_matrix import built_in_questions, photo_question
from validation.questions.prompts_file import read_prompts
from validation.stages import IMAGE_ENCODER, MASK_DECODER

NOT_LOADED = "the artifact cannot be loaded"
MEASURING_THREADS = 2  # masks of one case are measured while the next is computed


@dataclass(frozen=True)
class Extras:
    """What a comparison shall find beside the verdict.

    Attributes:
        pictures: of every case, for a report.
        drift: the operations or modules that depart most from the reference.
    """

    pictures: bool = False
    drift: bool = False


class Comparer:
    """Compares any number of artifacts; each reference is loaded, and asked about a photo, once."""

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        images: Sequence[str | Path] = (),
        prompts: Sequence[Question] = (),
        gates: Mapping[str, Mapping[str, Gates]] | None = None,
        extras: Extras = Extras(),
        time_limit: float | None = None,
    ) -> None:
        """Say what all of them are asked, and held to.

        Args:
            checkpoint: the weights they were converted from; needed for photos if these were a file.
            images: more photos, each asked about with a central point and a central box.
            prompts: more questions, such as ``prompts_file.read_prompts`` gives.
            gates: format → scheme → limits; None: the defaults.
            extras: what else to find.
            time_limit: seconds that an engine may take for one answer, in a process of its own, so that
                one that crashes or hangs fails its artifact and nothing else; None: it runs in this
                process.
        """
        self._checkpoint, self._images, self._prompts = checkpoint, images, prompts
        self._gates = read_gates() if gates is None else gates
        self._extras, self._time_limit = extras, time_limit
        self._references: dict[tuple[str, str], Pipeline | Unavailable] = {}

    def compare(self, artifact: Artifact, engine_name: str | None = None) -> Comparison:
        """Compare one artifact on its goldens, the built-in photos and the user's.

        What cannot be run here is in the result as NOT_RUN, with the reason; an artifact that fails to
        run is in it as FAILED. But if the user's own photos cannot be compared for want of the
        checkpoint, that is an error.

        Args:
            artifact: what to compare.
            engine_name: what to run it with, one of ``engines.ENGINES``; None: the most authoritative
                one that is here.

        Raises:
            ArtifactError: it does not belong to the checkpoint, its goldens are damaged, or the engine
                does not run its format.
            ImageError: an image cannot be read.
            CheckpointError: the checkpoint cannot be fetched, read or loaded.
        """
        gates = gates_for(artifact, self._gates)
        openers = engine_openers(artifact, engine_name)
        questions = self._questions(artifact)
        reference = self._reference(artifact)
        try:
            engine = self._open(artifact, openers)
        except ArtifactError as error:
            skipped = [result for item in questions for result in _skip(item, NOT_LOADED)]
            return conclude(artifact, None, gates, skipped, failures=[str(error)])
        if isinstance(engine, Unavailable):
            skipped = [result for item in questions for result in _skip(item, engine.reason)]
            return conclude(artifact, None, gates, skipped)
        candidate = _TimedPipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
        try:
            results = compare_pipelines(
                artifact, questions, reference, candidate, gates, self._extras.pictures
            )
        finally:
            if isinstance(engine, IsolatedEngine):
                engine.close()
        drifts = self._drifts(artifact, reference, candidate) if self._extras.drift else None
        return conclude(
            artifact,
            engine.name,
            gates,
            results,
            failures=false_statements(artifact),
            seconds=candidate.median_seconds(),
            drifts=drifts,
        )

    def _drifts(
        self, artifact: Artifact, reference: Pipeline | Unavailable, candidate: Pipeline
    ) -> tuple[Drift, ...] | Unavailable:
        """The operations that depart most, asked about the first golden."""
        if isinstance(reference, Unavailable):
            return reference
        question = golden_questions(artifact)[0]
        pixels, case = question.read(), question.cases[0]
        points, box = case.in_frame(pixels.shape[:2], candidate.frame_size)
        slots, mask_size = artifact.prompt_slots, artifact.variant.mask_size
        prompt = fill_slots(slots, mask_size, points, box, mask_input=None)
        frame = candidate.preprocess(pixels)
        try:
            drifts = measure_drift(artifact, reference.model, frame, prompt)
        except ArtifactError as error:
            return Unavailable(str(error))
        return drifts if isinstance(drifts, Unavailable) else tuple(worst(drifts))

    def _open(self, artifact: Artifact, openers: Sequence[Opener]) -> Engine | Unavailable:
        if self._time_limit is None:
            return open_first(artifact, openers)
        return open_isolated(artifact, openers, self._time_limit)

    def _questions(self, artifact: Artifact) -> list[Question]:
        slots = artifact.prompt_slots
        asked = [photo_question(Path(path), slots) for path in self._images]
        return [
            *golden_questions(artifact),
            *built_in_questions(slots),
            *asked,
            *(_fitting(question, slots) for question in self._prompts),
        ]

    def _reference(self, artifact: Artifact) -> Pipeline | Unavailable:
        key = artifact.model, artifact.checkpoint.sha256
        if key not in self._references:
            required = bool(self._images or self._prompts)
            sam = load_reference(artifact, self._checkpoint, required)
            self._references[key] = sam if isinstance(sam, Unavailable) else CachedPipeline(sam)
        return self._references[key]


def compare_artifacts(
    artifacts: Iterable[Artifact | str | Path],
    *,
    checkpoint: str | Path | None = None,
    images: Sequence[str | Path] = (),
    prompts: str | Path | None = None,
    gates: str | Path | None = None,
    engines: Sequence[str] = (),
    pictures: bool = False,
    drift: bool = False,
    time_limit: float | None = None,
    on_result: Callable[[Comparison], None] = lambda comparison: None,
) -> list[Comparison]:
    """Compare artifacts with the reference, as ``validate compare`` does.

    >>> comparisons = compare_artifacts(["artifacts/mobile_sam-coreml-int8"])
    >>> comparisons[0].verdict, comparisons[0].summary.min_iou

    Args:
        artifacts: folders that ``convert`` wrote.
        checkpoint: see ``Comparer``.
        images: see ``Comparer``.
        prompts: a JSON file of more photos and questions about them; docs/validation.md has an example.
        gates: a TOML file of limits in place of the defaults.
        engines: what to run each artifact with, one after another; empty: the most authoritative one that is here.
        pictures: keep pictures of every case, for a report.
        drift: also find the operations or modules that depart most from the reference.
        time_limit: see ``Comparer``.
        on_result: is told of each comparison when it is done.

    Returns:
        One comparison for each artifact and engine.

    Raises:
        ArtifactError: as ``Comparer.compare``; also, a folder is incomplete or altered.
        GateError: the file of gates cannot be read, or says something that is no limit.
        PromptError: the file of prompts is not as expected, or a prompt does not fit.
        ImageError: an image cannot be read.
        CheckpointError: the checkpoint cannot be fetched, read or loaded.
    """
    loaded = [
        item if isinstance(item, Artifact) else load_artifact(Path(item)) for item in artifacts
    ]
    questions = () if prompts is None else read_prompts(Path(prompts))
    limits = read_gates(None if gates is None else Path(gates))
    extras = Extras(pictures, drift)
    comparer = Comparer(checkpoint, images, questions, limits, extras, time_limit)
    comparisons = []
    for artifact, engine in product(loaded, engines or (None,)):
        comparisons.append(comparer.compare(artifact, engine))
        on_result(comparisons[-1])
    return comparisons


def compare_pipelines(
    artifact: Artifact,
    questions: Sequence[Question],
    reference: Pipeline | Unavailable,
    candidate: Pipeline,
    gates: Gates,
    pictures: bool = False,
) -> list[CaseResult]:
    """Ask both about every photo, and judge each case.

    Args:
        artifact: what the candidate is made of.
        questions: about what.
        reference: photos are NOT_RUN if it cannot be had, goldens are not.
        candidate: the artifact, the way from photo to mask.
        gates: what each case is held to.
        pictures: whether to keep pictures of each case.
    """
    total = sum(len(question.cases) for question in questions)
    results: list[CaseResult | Future[CaseResult]] = []
    with (
        progress(description=artifact.name, total=total, unit="case") as bar,
        ThreadPoolExecutor(MEASURING_THREADS) as pool,
    ):
        judge = Judge(artifact, candidate, gates, pictures)
        for question in questions:
            if isinstance(reference, Unavailable) and question.stored is None:
                results += _skip(question, reference.reason)
                bar.update(len(question.cases))
                continue
            live = None if isinstance(reference, Unavailable) else reference
            try:
                photo = climb(question, judge.arithmetic, live, candidate, bar.update)
            except StageError as error:
                results += [failed_case(question, case, error) for case in question.cases]
                bar.update(len(question.cases))
                continue
            for case, rungs in zip(question.cases, photo.cases, strict=True):
                results.append(pool.submit(judge.case_result, question, photo, case, rungs))
        return [item.result() if isinstance(item, Future) else item for item in results]


class _TimedPipeline(Pipeline):
    """Remembers how long the artifact's two modules took."""

    def __init__(self, model: ArtifactModel, mask_threshold: float) -> None:
        super().__init__(model, mask_threshold)
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def encode(self, frame: Tensor) -> Tensor:
        """See ``Pipeline``."""
        with self._timing(IMAGE_ENCODER):
            return super().encode(frame)

    def decode(
        self,
        image_embeddings: Tensor,
        case: SampleCase,
        photo_size: tuple[int, int],
        mask_input: Tensor | None,
    ) -> Answer:
        """See ``Pipeline``."""
        with self._timing(MASK_DECODER):
            return super().decode(image_embeddings, case, photo_size, mask_input)

    def median_seconds(self) -> dict[str, float]:
        """Stage → median time of a call."""
        return {stage: median(times) for stage, times in self._seconds.items()}

    @contextmanager
    def _timing(self, stage: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._seconds[stage].append(perf_counter() - start)


def _fitting(question: Question, prompt_slots: int) -> Question:
    """The question without what takes more slots than the artifact has, and without what refines that."""
    kept: dict[str, SampleCase] = {}
    for case in question.cases:
        if case.slots <= prompt_slots and (case.mask_from is None or case.mask_from in kept):
            kept[case.name] = case
    return replace(question, cases=tuple(kept.values()))


def _skip(question: Question, reason: str) -> list[CaseResult]:
    return [
        CaseResult(case, question.photo, question.kind, NOT_RUN, reasons=(reason,))
        for case in question.cases
    ]
