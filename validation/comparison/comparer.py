"""Compares artifacts with the reference, mask by mask, on the same photos and prompts.

There are two kinds of cases. For a golden, the artifact's answer is compared with the reference answer
that is stored in the artifact. For any other photo, built-in or the user's, it is compared with the
answer that the reference gives now, with the weights that the artifact was converted from.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from itertools import product, zip_longest
from pathlib import Path
from typing import cast

from converters.prompt_slots import fill_slots
from converters.samples import SampleCase
from reference.common.errors import ArtifactError
from reference.common.one_or_more import one_or_more
from reference.modeling.sam import Sam
from validation.artifacts.artifact import Artifact, load_artifact
from validation.artifacts.conventions import false_statements
from validation.comparison.conclusion import conclude
from validation.comparison.pipelines import TimedPipeline, compare_pipelines, skipped_cases
from validation.comparison.quick import require_goldens_only
from validation.comparison.results import Comparison
from validation.documents.verdicts import Unavailable
from validation.engines import Engine, engine_openers, open_first
from validation.engines.artifact_model import ArtifactModel
from validation.engines.isolated import StartingEngine, start_isolated
from validation.engines.openers import Opener
from validation.gates import Gates, gates_for, read_gates
from validation.inspection.drift import Drift, measure_drift, worst
from validation.questions.answer_store import store_of
from validation.questions.cases import Question
from validation.questions.goldens import golden_questions
from validation.questions.live_reference import load_reference
from validation.questions.pipeline import CachedPipeline, PhotoPipeline
from validation.questions.prompt_matrix import built_in_questions, photo_question
from validation.questions.prompts_file import read_prompts

NOT_LOADED = "the artifact cannot be loaded"
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


class Comparer:
    """Compares any number of artifacts.

    Each reference is loaded once, and encodes each photo once, however many artifacts share it.
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
        with closing(self._start(artifact, engine_name)) as starting:
            return self._compare(artifact, starting)

    def compare_all(self, pairs: Sequence[tuple[Artifact, str | None]]) -> Iterator[Comparison]:
        """Compare artifacts with engines, pair by pair, as ``compare`` does.

        While a pair is compared, the engine of the next pair starts. They do not run at the same time: a single engine
        uses all cores, and two of them take longer side by side than one after the other.
        """
        with ExitStack() as started:
            upcoming = None
            for (artifact, engine_name), following in zip_longest(pairs, pairs[1:]):
                starting = upcoming or self._start(artifact, engine_name)
                upcoming = None if following is None else self._start_early(*following)
                if upcoming is not None:
                    started.callback(upcoming.close)
                with closing(starting):
                    comparison = self._compare(artifact, starting)
                yield comparison

    def _compare(self, artifact: Artifact, starting: StartingEngine | OpenedHere) -> Comparison:
        gates = gates_for(artifact, self._gates)
        questions = self._questions(artifact)
        reference = self._reference(artifact)
        try:
            engine = starting.ready()
        except ArtifactError as error:
            skipped = [result for item in questions for result in skipped_cases(item, NOT_LOADED)]
            failures = [str(error)]
            return conclude(artifact, None, gates, skipped, failures, quick=self._quick)
        if isinstance(engine, Unavailable):
            skipped = [
                result for item in questions for result in skipped_cases(item, engine.reason)
            ]
            return conclude(artifact, None, gates, skipped, quick=self._quick)
        candidate = TimedPipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
        results = compare_pipelines(
            artifact, questions, reference, candidate, gates, self._extras.pictures
        )
        drifts = self._drifts(artifact, reference, candidate) if self._extras.drift else None
        return conclude(
            artifact,
            engine.name,
            gates,
            results,
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
            # ``load_reference`` returns a ``Sam``.
            drifts = measure_drift(artifact, cast(Sam, reference.model), frame, prompt)
        except ArtifactError as error:
            return Unavailable(str(error))
        return drifts if isinstance(drifts, Unavailable) else tuple(worst(drifts))

    def _start(self, artifact: Artifact, engine_name: str | None) -> StartingEngine | OpenedHere:
        openers = engine_openers(artifact, engine_name)
        if self._time_limit is None:
            return OpenedHere(artifact, openers)
        return start_isolated(artifact, openers, self._time_limit)

    def _start_early(
        self, artifact: Artifact, engine_name: str | None
    ) -> StartingEngine | OpenedHere | None:
        """Start the engine of a later pair; None if there is an error, which has to wait for its turn."""
        with suppress(ArtifactError):
            return self._start(artifact, engine_name)
        return None

    def _questions(self, artifact: Artifact) -> list[Question]:
        if self._quick:
            return golden_questions(artifact)
        slots = artifact.prompt_slots
        asked = [photo_question(Path(path), slots) for path in self._images]
        return [
            *golden_questions(artifact),
            *built_in_questions(slots),
            *asked,
            *(_fitting(question, slots) for question in self._prompts),
        ]

    def _reference(self, artifact: Artifact) -> PhotoPipeline | Unavailable:
        if self._quick:
            return QUICK
        key = artifact.model, artifact.checkpoint.sha256
        if key not in self._references:
            required = bool(self._images or self._prompts)
            sam = load_reference(artifact, self._checkpoint, required)
            self._references[key] = sam if isinstance(sam, Unavailable) else self._cached(sam)
        return self._references[key]

    def _cached(self, sam: Sam) -> PhotoPipeline:
        return CachedPipeline(sam, store_of(sam) if self._cache else None)


def compare_artifacts(
    artifacts: Artifact | str | Path | Iterable[Artifact | str | Path],
    *,
    checkpoint: str | Path | None = None,
    images: str | Path | Sequence[str | Path] = (),
    prompts: str | Path | None = None,
    gates: str | Path | None = None,
    engines: str | Sequence[str] = (),
    pictures: bool = False,
    drift: bool = False,
    time_limit: float | None = None,
    cache: bool = False,
    quick: bool = False,
    on_result: Callable[[Comparison], None] = lambda comparison: None,
) -> list[Comparison]:
    """Compare artifacts with the reference, as ``validate compare`` does.

    Example:
        >>> (comparison,) = compare_artifacts("artifacts/mobile_sam-coreml-int8")
        >>> comparison.verdict
        'passed'
        >>> comparison.summary.min_iou  # the lowest IoU of any mask with the reference mask, 0 to 1

    Args:
        artifacts: one or more folders that ``convert`` wrote.
        checkpoint: the weights that the artifacts were converted from. Needed for photos if the manifest names a file;
            None takes the weights that the manifest names.
        images: one or more photos, each with a point and a box in its center.
        prompts: a JSON file of more photos and prompts about them; docs/validation.md has an example.
        gates: a TOML file with limits that replace defaults.
        engines: names of one or more engines to run each artifact with, one after another; docs/validation.md lists
            them. An empty list takes the first engine for the format that this machine has.
        pictures: whether to keep pictures of every case, which ``write_report`` shows.
        drift: whether to find the operations or modules that differ most from the reference.
        time_limit: seconds that an engine may take for one answer, in its own process; None runs it in this process,
            without a limit.
        cache: whether to keep the reference's answers in the user's cache folder, so that later runs need not ask it
            again.
        quick: whether to ask about the goldens only. Their answers are stored, so the reference need not run. This
            takes seconds, and proves less.
        on_result: called with each comparison when it is complete.

    Returns:
        One comparison for each artifact and engine. Its ``verdict`` is "passed", "failed", "not proven" or "not
        run". ``summary`` has the figures over all cases, and is None if no case ran or proves anything. ``cases``
        has the result of each prompt, and ``failures`` the reasons that concern the whole artifact.

    Raises:
        ArtifactError: a folder is incomplete or altered, an artifact was converted from other weights, or an engine
            does not run its format.
        GateError: the file of gates cannot be read, or contains something that is not a limit.
        PromptError: the file of prompts is not as expected, or a prompt does not fit its photo; or ``quick`` is set,
            and so is something that needs the reference.
        ImageError: an image cannot be read.
        CheckpointError: the checkpoint cannot be fetched, read or loaded.
    """
    if quick:
        require_goldens_only(images=images, prompts=prompts, checkpoint=checkpoint, drift=drift)
    loaded = [load_artifact(item) for item in one_or_more(artifacts)]
    questions = () if prompts is None else read_prompts(Path(prompts))
    limits = read_gates(None if gates is None else Path(gates))
    extras = Extras(pictures, drift)
    comparer = Comparer(
        checkpoint, one_or_more(images), questions, limits, extras, time_limit, cache, quick
    )
    comparisons = []
    for comparison in comparer.compare_all([*product(loaded, one_or_more(engines) or (None,))]):
        on_result(comparison)
        comparisons.append(comparison)
    return comparisons


def _fitting(question: Question, prompt_slots: int) -> Question:
    """The question without the cases that need more slots than the artifact has, and those that refine them."""
    kept: dict[str, SampleCase] = {}
    for case in question.cases:
        if case.slots <= prompt_slots and (case.mask_from is None or case.mask_from in kept):
            kept[case.name] = case
    return replace(question, cases=tuple(kept.values()))
