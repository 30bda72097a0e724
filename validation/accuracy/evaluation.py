"""Measures artifacts and checkpoints on the same objects, and compares artifacts with their reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reference.builder import load_sam
from reference.common.errors import AnswerError, ArtifactError
from reference.common.progress import progress
from reference.modeling.sam import Sam
from reference.modeling.variants import get_variant
from reference.predictor import PromptableModel
from reference.weights.checkpoint import Checkpoint
from validation.accuracy.protocol import CORRECTIVE_CLICKS, measure_accuracy
from validation.accuracy.results import PROTOCOLS, Accuracy
from validation.accuracy.samples import Sample
from validation.artifacts.artifact import Artifact, SourceCheckpoint
from validation.documents.verdicts import FAILED, NOT_PROVEN, NOT_RUN, PASSED, Unavailable
from validation.engines import engine_openers
from validation.engines.artifact_model import ArtifactModel
from validation.engines.isolated import open_isolated
from validation.engines.openers import Opener
from validation.gates import Gates, gates_for
from validation.questions.live_reference import load_reference

TIME_LIMIT = 600.0  # seconds for one answer of an engine, as in ``validate compare``
REFERENCE_ENGINE = "PyTorch"
SLOTS_NEEDED = 1 + CORRECTIVE_CLICKS


@dataclass(frozen=True)
class Weights:
    """A checkpoint of the reference, and the variant that it belongs to."""

    model: str
    checkpoint: Checkpoint


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of one artifact with one engine, or of a checkpoint.

    Attributes:
        name: the name of the artifact's folder, or of the checkpoint.
        model: the variant's name.
        checkpoint: the weights.
        engine: the engine that ran it; None if no engine could.
        accuracy: the accuracy; None if the model did not run to the end.
        artifact: the artifact; None for a checkpoint.
        reference: the evaluation of the checkpoint that the artifact was converted from, or the reason
            why there is none; None for a checkpoint.
        max_miou_lost: the artifact's gate; None for a checkpoint.
        failures: the reasons why the verdict is FAILED.
        not_run_reasons: the reasons why something could not be measured.
        unproven: the protocols in which the gate proves nothing because the reference finds no object,
            in words. If these are all protocols, the verdict is NOT_PROVEN.
    """

    name: str
    model: str
    checkpoint: SourceCheckpoint
    engine: str | None = REFERENCE_ENGINE
    accuracy: Accuracy | None = None
    artifact: Artifact | None = None
    reference: "Evaluation | Unavailable | None" = None
    max_miou_lost: float | None = None
    failures: tuple[str, ...] = ()
    not_run_reasons: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()

    @property
    def verdict(self) -> str | None:
        """PASSED, FAILED, NOT_PROVEN or NOT_RUN; None for a checkpoint that ran, which has no gate."""
        if self.failures:
            return FAILED
        if self.not_run_reasons:
            return NOT_RUN
        if self.artifact is None:
            return None
        return NOT_PROVEN if len(self.unproven) == len(PROTOCOLS) else PASSED

    @property
    def miou_lost(self) -> dict[str, float] | None:
        """Protocol → mean IoU lost against the reference; None for a checkpoint, or unless both ran."""
        if self.accuracy is None or not isinstance(self.reference, Evaluation):
            return None
        if self.reference.accuracy is None:
            return None
        return self.accuracy.miou_lost(self.reference.accuracy)


class Evaluator:
    """Measures any number of artifacts and checkpoints. Each reference is measured only once."""

    def __init__(
        self,
        samples: Sequence[Sample],
        gates: Mapping[str, Mapping[str, Gates]],
        checkpoint: str | None = None,
    ) -> None:
        """Set the objects and gates for all evaluations.

        Args:
            samples: photos with true masks.
            gates: format → scheme → limits.
            checkpoint: the file with the weights that artifacts were converted from; None if these were
                built-in weights.
        """
        self._samples, self._gates, self._checkpoint = samples, gates, checkpoint
        self._references: dict[tuple[str, str], Sam | Unavailable] = {}
        self._measured: dict[tuple[str, str], Evaluation] = {}

    def evaluate(
        self, subjects: Sequence[Artifact | Weights], engines: Sequence[str] = ()
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per checkpoint, and one per artifact and engine, in order.

        All errors are raised before anything is measured.

        Args:
            subjects: artifacts, and weights.
            engines: the engines to run artifacts with. An empty list takes the first engine for the format
                that this machine has.

        Raises:
            ArtifactError: an artifact does not belong to ``checkpoint``, has too few prompt slots or no
                gates, or an engine does not run its format.
            CheckpointError: weights cannot be fetched, or do not fit the model.
        """
        plan = []
        for subject in subjects:
            if isinstance(subject, Weights):
                self._load(subject)
                plan.append((subject, None))
                continue
            self._check(subject)
            for engine in engines or (None,):
                plan.append((subject, engine_openers(subject, engine)))
        for subject, openers in plan:
            if isinstance(subject, Weights):
                yield self._reference(subject.model, _source(subject.checkpoint))
            else:
                yield self._evaluate_artifact(subject, openers)

    def _load(self, weights: Weights) -> None:
        key = weights.model, weights.checkpoint.sha256
        if not isinstance(self._references.get(key), Sam):
            self._references[key] = load_sam(get_variant(weights.model), weights.checkpoint)

    def _check(self, artifact: Artifact) -> None:
        """Refuse an unfit artifact before hours are spent on measuring, and load its reference."""
        gates_for(artifact, self._gates)
        if artifact.prompt_slots < SLOTS_NEEDED:
            raise ArtifactError(
                f"{artifact.folder}: has {artifact.prompt_slots} prompt slots: expected at least "
                f"{SLOTS_NEEDED}, for a point and {CORRECTIVE_CLICKS} corrective clicks; convert with "
                f"--prompt-slots {SLOTS_NEEDED}"
            )
        key = artifact.model, artifact.checkpoint.sha256
        if key not in self._references:
            reference = load_reference(artifact, self._checkpoint, required=False)
            self._references[key] = reference

    def _reference(self, model: str, checkpoint: SourceCheckpoint) -> Evaluation | Unavailable:
        """Return the evaluation of the reference with these weights, or why there is none."""
        key = model, checkpoint.sha256
        sam = self._references[key]
        if isinstance(sam, Unavailable):
            return sam
        if key not in self._measured:
            accuracy, failures = self._measure(sam, checkpoint.name)
            self._measured[key] = Evaluation(
                checkpoint.name,
                model,
                checkpoint,
                accuracy=accuracy,
                failures=failures,
                unproven=_unproven(accuracy),
            )
        return self._measured[key]

    def _evaluate_artifact(self, artifact: Artifact, openers: Sequence[Opener]) -> Evaluation:
        limit = gates_for(artifact, self._gates).max_miou_lost
        about = (artifact.name, artifact.model, artifact.checkpoint)
        known = {"artifact": artifact, "max_miou_lost": limit}
        try:
            engine = open_isolated(artifact, openers, TIME_LIMIT)
        except ArtifactError as error:
            return Evaluation(*about, None, **known, failures=(str(error),))
        if isinstance(engine, Unavailable):
            return Evaluation(*about, None, **known, not_run_reasons=(engine.reason,))
        with engine:
            accuracy, failures = self._measure(ArtifactModel(engine, artifact), artifact.name)
        about = (*about, engine.name, accuracy)
        if failures:
            return Evaluation(*about, **known, failures=failures)
        reference = self._reference(artifact.model, artifact.checkpoint)
        return _judge(Evaluation(*about, reference=reference, **known))

    def _measure(
        self, model: PromptableModel, name: str
    ) -> tuple[Accuracy | None, tuple[str, ...]]:
        samples = progress(self._samples, description=name, total=len(self._samples), unit="photo")
        try:
            return measure_accuracy(model, samples), ()
        except (AnswerError, ArtifactError) as error:  # includes engines that crashed or hung
            return None, (str(error),)


def _judge(evaluation: Evaluation) -> Evaluation:
    """Judge a measured artifact by its gate."""
    lost, limit = evaluation.miou_lost, evaluation.max_miou_lost
    if lost is None:
        reference = evaluation.reference
        reason = (
            reference.reason
            if isinstance(reference, Unavailable)
            else "; ".join(reference.failures)
        )
        return replace(evaluation, not_run_reasons=(f"mIoU lost: {reason}",))
    failures = tuple(
        f"{PROTOCOLS[protocol]}: mIoU is {loss:.4f} lower than the reference mIoU, gate {limit:g}"
        for protocol, loss in lost.items()
        if loss > limit
    )
    return replace(evaluation, failures=failures, unproven=evaluation.reference.unproven)


def _unproven(accuracy: Accuracy | None) -> tuple[str, ...]:
    """Return the protocols in which a reference finds no object, in words."""
    return tuple(
        f"{PROTOCOLS[protocol]}: the reference finds none of the objects, so a loss cannot show"
        for protocol in ([] if accuracy is None else accuracy.unproven)
    )


def _source(checkpoint: Checkpoint) -> SourceCheckpoint:
    return SourceCheckpoint(checkpoint.name, checkpoint.sha256, checkpoint.trained)
