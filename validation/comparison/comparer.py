"""Compares artifacts with the reference, mask by mask, on the same photos and prompts.

There are two kinds of cases. For a golden, the artifact's answer is compared with the reference answer
that is stored in the artifact. For any other photo, built-in or the user's, it is compared with the
answer that the reference gives now, with the weights that the artifact was converted from.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import torch

from converters.prompt_slots import fill_slots
from converters.samples import SampleCase
from reference.common.errors import ArtifactError, MobileSAMError
from reference.common.progress import progress
from validation.artifacts.artifact import Artifact
from validation.artifacts.conventions import false_statements
from validation.comparison.conclusion import conclude
from validation.comparison.pipelines import (
    HostedPipeline,
    OnCases,
    TimedPipeline,
    count_cases,
    judge_photos,
    skipped_cases,
)
from validation.comparison.results import CaseResult, Comparison
from validation.comparison.side_by_side import Call, Host, call_here, side_by_side
from validation.documents.verdicts import Unavailable
from validation.engines import Engine, engine_openers, open_first
from validation.engines.artifact_model import ArtifactModel
from validation.engines.isolated import StartingEngine, start_isolated
from validation.engines.openers import Opener
from validation.gates import Gates, gates_for, read_gates
from validation.inspection.drift import Drift, measure_drift, worst
from validation.questions.answer_store import store_of
from validation.questions.cases import Question
from validation.questions.goldens import golden_cases, golden_questions
from validation.questions.live_reference import LiveReference, find_reference
from validation.questions.pipeline import CachedPipeline, PhotoPipeline
from validation.questions.prompt_matrix import built_in_questions, photo_question

NOT_LOADED = "the artifact cannot be loaded"
TOO_FEW_SLOTS = (
    "the prompt, or one that it refines, takes more than the {slots} prompt slots of the artifact: convert with a "
    "larger --prompt-slots"
)
QUICK = Unavailable("a quick comparison does not run the reference")


@dataclass(frozen=True)
class Extras:
    """The optional parts that a comparison collects beside the verdict.

    Attributes:
        pictures: whether to keep pictures of every case, which ``write_report`` shows.
        drift: whether to find the operations or modules that differ most from the reference.
    """

    pictures: bool = False
    drift: bool = False


class OpenedHere:
    """An engine that is opened in this process, with the methods of ``StartingEngine``."""

    def __init__(self, artifact: Artifact, openers: Sequence[Opener]) -> None:
        """Take an artifact and the openers of its engines."""
        self._artifact, self._openers = artifact, openers

    def ready(self) -> Engine | Unavailable:
        """Open the engine."""
        return open_first(self._artifact, self._openers)

    def close(self) -> None:
        """Do nothing, because this process goes on."""

    def kill(self) -> None:
        """Do nothing, because this process goes on."""


class Comparer:
    """Compares any number of artifacts.

    Each reference is loaded at most once, and encodes each photo once, however many artifacts share it.
    """

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        images: Sequence[str | Path] = (),
        prompts: Sequence[Question] = (),
        gates: Mapping[str, Mapping[str, Gates]] | None = None,
        extras: Extras = Extras(),
        time_limit: float | None = None,
        cache: bool = False,
        quick: bool = False,
    ) -> None:
        """Choose the questions and the gates, which are the same for all artifacts.

        Args:
            checkpoint: the weights that the artifacts were converted from. Needed for photos if the
                manifest names a file; None takes the weights that the manifest names.
            images: one or more photos, each with a point and a box in its center.
            prompts: more questions, such as those that ``prompts_file.read_prompts`` returns.
            gates: format → scheme → limits; None takes the defaults.
            extras: what to collect beside the verdict.
            time_limit: seconds that an engine may take for one answer. It then runs in its own
                process, so one that crashes or hangs fails its artifact and nothing else. None runs
                it in this process, without a limit.
            cache: whether to keep the reference's answers in the user's cache folder, for later runs.
            quick: whether to ask about the goldens only, whose answers are stored, so that the reference
                need not run.
        """
        self._checkpoint, self._images, self._prompts = checkpoint, images, prompts
        self._gates = read_gates() if gates is None else gates
        self._extras, self._time_limit, self._cache = extras, time_limit, cache
        self._quick = quick
        self._references: dict[tuple[str, str], PhotoPipeline | Unavailable] = {}
        self._photos_of: dict[int, list[Question]] = {}

    def compare(self, artifact: Artifact, engine_name: str | None = None) -> Comparison:
        """Compare one artifact on its goldens, the built-in photos and the user's photos.

        A case that this machine cannot run is NOT_RUN in the result, with the reason. An artifact
        that fails to run is FAILED. A missing checkpoint is an error only if the user has given photos
        or prompts.

        Args:
            artifact: the artifact to compare.
            engine_name: the engine to run it with, one of ``engines.ENGINES``; None takes the most
                authoritative one that this machine has.

        Raises:
            ArtifactError: the artifact was converted from other weights, its goldens are damaged, or
                the engine does not run its format.
            ImageError: an image cannot be read.
            CheckpointError: the checkpoint cannot be fetched, read or loaded.
        """
        with closing(self.compare_all([(artifact, engine_name)])) as comparisons:
            return next(comparisons)

    def compare_all(
        self, pairs: Sequence[tuple[Artifact, str | None]]
    ) -> Generator[Comparison, None, None]:
        """Compare artifacts with engines, pair by pair, as ``compare`` does, and show one progress bar over all.

        If engines run in their own processes, as many pairs are compared side by side as torch has threads here. Their
        engines share these threads, because engines on one thread each need less processor time in all than engines on
        all threads one after the other. When fewer pairs are left, each gets more threads. The results come in the
        order of the pairs, and an error when it is the turn of its pair. A generator that is not used up has to be
        closed.
        """
        threads = torch.get_num_threads()
        workers = 1 if self._time_limit is None else max(1, min(len(pairs), threads))
        compare = self._one_by_one
        if workers > 1:
            compare = partial(self._side_by_side, workers, threads)
        name = pairs[0][0].name if len(pairs) == 1 else f"{len(pairs)} comparisons"
        total = sum(self._case_count(artifact) for artifact, _ in pairs)
        with (
            progress(description=name, total=total, unit="case") as bar,
            closing(compare(pairs, bar.update)) as comparisons,
        ):
            for comparison in comparisons:
                bar.clear()  # the caller may print something now
                yield comparison

    def _one_by_one(
        self, pairs: Sequence[tuple[Artifact, str | None]], on_cases: OnCases
    ) -> Generator[Comparison, None, None]:
        for artifact, engine_name in pairs:
            with closing(self._start(artifact, engine_name)) as starting:
                comparison = self._compare(artifact, starting, call_here, on_cases)
            yield comparison

    def _side_by_side(
        self,
        workers: int,
        threads: int,
        pairs: Sequence[tuple[Artifact, str | None]],
        on_cases: OnCases,
    ) -> Generator[Comparison, None, None]:
        engines: list[StartingEngine | OpenedHere] = []
        unfinished = set(range(len(pairs)))

        def share() -> int:
            return threads // min(workers, len(unfinished))

        def start(artifact: Artifact, engine_name: str | None) -> StartingEngine | OpenedHere:
            engines.append(self._start(artifact, engine_name, share))
            return engines[-1]

        def compare(index: int, host: Host) -> Comparison:
            def report(count: int) -> None:
                host.post(partial(on_cases, count))

            artifact, engine_name = pairs[index]
            try:
                with closing(host.call(partial(start, artifact, engine_name))) as starting:
                    return self._compare(artifact, starting, host.call, report)
            finally:
                unfinished.discard(index)

        def end_engines() -> None:
            for engine in engines:
                engine.kill()

        tasks = [partial(compare, index) for index in range(len(pairs))]
        with side_by_side(tasks, workers, end_engines) as comparisons:
            yield from comparisons

    def _compare(
        self,
        artifact: Artifact,
        starting: StartingEngine | OpenedHere,
        call: Call,
        on_cases: OnCases,
    ) -> Comparison:
        """Compare an artifact; ``call`` runs a function in the thread that the reference belongs to."""
        gates = gates_for(artifact, self._gates)
        questions = golden_questions(artifact) + self._photos(artifact.prompt_slots)
        unfit = self._unfit(artifact.prompt_slots)
        reference = call(partial(self._reference, artifact))

        def skip_all(reason: str) -> list[CaseResult]:
            skipped = [result for item in questions for result in skipped_cases(item, reason)]
            on_cases(len(skipped))
            return [*skipped, *unfit]

        try:
            engine = starting.ready()
        except ArtifactError as error:
            skipped, failures = skip_all(NOT_LOADED), [str(error)]
            return conclude(artifact, None, gates, skipped, failures, quick=self._quick)
        if isinstance(engine, Unavailable):
            return conclude(artifact, None, gates, skip_all(engine.reason), quick=self._quick)
        candidate = TimedPipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
        if not isinstance(reference, Unavailable):
            reference = HostedPipeline(reference, call)
        results = judge_photos(
            artifact, questions, reference, candidate, gates, self._extras.pictures, on_cases
        )
        drifts = None
        if self._extras.drift:
            drifts = call(partial(self._drifts, artifact, reference, candidate))
        return conclude(
            artifact,
            engine.name,
            gates,
            [*results, *unfit],
            failures=false_statements(artifact),
            seconds=candidate.median_seconds(),
            drifts=drifts,
            quick=self._quick,
        )

    def _drifts(
        self, artifact: Artifact, reference: PhotoPipeline | Unavailable, candidate: PhotoPipeline
    ) -> tuple[Drift, ...] | Unavailable:
        """The operations or modules that differ most, measured on the first golden."""
        if isinstance(reference, Unavailable):
            return reference
        question = golden_questions(artifact)[0]
        pixels, case = question.read(), question.cases[0]
        points, box = case.in_frame(pixels.shape[:2], candidate.frame_size)
        slots, mask_size = artifact.prompt_slots, artifact.variant.mask_size
        prompt = fill_slots(slots, mask_size, points, box, mask_input=None)
        frame = candidate.preprocess(pixels)
        try:
            # ``find_reference`` returns a ``LiveReference``.
            sam = cast(LiveReference, reference.model).sam
            drifts = measure_drift(artifact, sam, frame, prompt)
        except ArtifactError as error:
            return Unavailable(str(error))
        return drifts if isinstance(drifts, Unavailable) else tuple(worst(drifts))

    def _start(
        self,
        artifact: Artifact,
        engine_name: str | None,
        threads: Callable[[], int] | None = None,
    ) -> StartingEngine | OpenedHere:
        openers = engine_openers(artifact, engine_name)
        if self._time_limit is None:
            return OpenedHere(artifact, openers)
        return start_isolated(artifact, openers, self._time_limit, threads=threads)

    def _case_count(self, artifact: Artifact) -> int:
        """The number of cases; 0 if there is an error, which has to wait for the artifact's turn."""
        with suppress(MobileSAMError):
            return len(golden_cases(artifact)) + count_cases(self._photos(artifact.prompt_slots))
        return 0

    def _photos(self, slots: int) -> list[Question]:
        """The questions that are not goldens, for an artifact with a number of prompt slots."""
        if self._quick:
            return []
        if slots not in self._photos_of:
            self._photos_of[slots] = [
                *built_in_questions(slots),
                *(photo_question(Path(path), slots) for path in self._images),
                *(_fitting(question, slots) for question in self._prompts),
            ]
        return self._photos_of[slots]

    def _unfit(self, slots: int) -> list[CaseResult]:
        """The user's cases that an artifact with a number of prompt slots cannot be asked, as NOT_RUN."""
        results = []
        for question in self._prompts:
            fitting = _fitting(question, slots).cases
            unfit = tuple(case for case in question.cases if case not in fitting)
            results += skipped_cases(
                replace(question, cases=unfit), TOO_FEW_SLOTS.format(slots=slots)
            )
        return results

    def _reference(self, artifact: Artifact) -> PhotoPipeline | Unavailable:
        if self._quick:
            return QUICK
        key = artifact.model, artifact.checkpoint.sha256
        if key not in self._references:
            required = bool(self._images or self._prompts)
            model = find_reference(artifact, self._checkpoint, required)
            self._references[key] = (
                model if isinstance(model, Unavailable) else self._cached(model, artifact)
            )
        return self._references[key]

    def _cached(self, model: LiveReference, artifact: Artifact) -> PhotoPipeline:
        store = store_of(artifact.variant, artifact.checkpoint.sha256) if self._cache else None
        return CachedPipeline(model, store)


def _fitting(question: Question, prompt_slots: int) -> Question:
    """The question without the cases that need more slots than the artifact has, and those that refine them."""
    kept: dict[str, SampleCase] = {}
    for case in question.cases:
        if case.slots <= prompt_slots and (case.mask_from is None or case.mask_from in kept):
            kept[case.name] = case
    return replace(question, cases=tuple(kept.values()))
