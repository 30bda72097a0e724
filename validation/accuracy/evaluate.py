"""Measures artifacts and checkpoints against true masks, as ``validate accuracy`` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reference.common.errors import MobileSAMError
from reference.common.one_or_more import one_or_more
from reference.modeling.variants import get_variant
from reference.weights.checkpoint_source import require_checkpoint
from validation.accuracy.dataset import Dataset, read_dataset
from validation.accuracy.sources import find_artifact
from validation.artifacts.artifact import Artifact
from validation.gates import read_gates

if TYPE_CHECKING:  # they import torch, which refusals need not wait for
    from validation.accuracy.document import Data
    from validation.accuracy.evaluation import Evaluation
    from validation.accuracy.samples import Sample


@dataclass(frozen=True)
class AccuracyResult:
    """The scores of artifacts and checkpoints against true masks.

    Attributes:
        evaluations: one per checkpoint, and per artifact and engine, in order.
        data: the photos that they were measured on.
    """

    evaluations: "list[Evaluation]"
    data: "Data"

    @property
    def verdict(self) -> str:
        """The overall verdict: "failed", "not proven", "incomplete", "passed" or "not run"."""
        from validation.accuracy.document import verdict_of

        return verdict_of(self.evaluations)

    def document(self) -> dict:
        """Return the result as ``validate accuracy --json`` writes it."""
        from validation.accuracy.document import build_document

        return build_document(self.evaluations, self.data)


def evaluate_accuracy(
    sources: Artifact | str | Path | Sequence[Artifact | str | Path],
    *,
    dataset: str | Path | None = None,
    scenes: int | None = None,
    gates: str | Path | None = None,
    checkpoint: str | Path | None = None,
    model: str = "vit_t",
    engines: str | Sequence[str] = (),
    on_data: "Callable[[Data], None]" = lambda data: None,
) -> AccuracyResult:
    """Measure masks against true masks, as ``validate accuracy`` does.

    Example:
        >>> result = evaluate_accuracy(["demo", "artifacts/mobile_sam-coreml-int8"], scenes=50)
        >>> result.verdict
        'passed'
        >>> result.evaluations[0].accuracy.miou["box"]  # mean IoU with the true masks, 0 to 1

    Args:
        sources: one or more paths of artifact folders, and checkpoints: "demo", "official", "seeded" or paths of files.
        dataset: a folder of photos with ``annotations.json`` in COCO's format. None takes generated scenes.
        scenes: number of generated scenes. None takes 500.
        gates: a TOML file with limits that replace defaults.
        checkpoint: the weights that the artifacts were converted from. Needed if the manifest names a file.
        model: the name of the variant that the checkpoints in ``sources`` belong to.
        engines: names of one or more engines to run each artifact with, one after another; docs/validation.md lists
            them. An empty list takes the first engine for the format that this machine has.
        on_data: called with the photos before anything is measured.

    Returns:
        The result. ``verdict`` is "passed", "failed", "not proven", "incomplete" (some artifacts passed, but others
        could not be judged) or "not run". ``evaluations`` has one entry per checkpoint, and one per artifact and
        engine. ``document()`` is what ``validate accuracy --json`` writes.

    Raises:
        MobileSAMError: a source is neither an artifact nor a checkpoint; both ``dataset`` and ``scenes``
            are given; or the dataset, the gates or the weights cannot be read.
    """
    if dataset is not None and scenes is not None:
        raise MobileSAMError("dataset and scenes exclude each other: pass only one of them")
    named = [
        (source, source if isinstance(source, Artifact) else find_artifact(str(source), model))
        for source in one_or_more(sources)
    ]
    if checkpoint is not None:
        for _, artifact in named:
            if artifact is not None:
                require_checkpoint(checkpoint, artifact.variant)
    limits = read_gates(None if gates is None else Path(gates))
    photos = None if dataset is None else read_dataset(Path(dataset))

    # Imported here so that refusals need not wait for torch.
    from reference.weights.checkpoint import resolve_checkpoint
    from validation.accuracy.evaluation import Evaluator, Weights

    subjects = [
        Weights(model, resolve_checkpoint(source, get_variant(model)))
        if artifact is None
        else artifact
        for source, artifact in named
    ]
    samples, data = _samples(photos, dataset, scenes)
    on_data(data)
    evaluator = Evaluator(samples, limits, None if checkpoint is None else str(checkpoint))
    return AccuracyResult(list(evaluator.evaluate(subjects, one_or_more(engines))), data)


def _samples(
    photos: Dataset | None, dataset: str | Path | None, scenes: int | None
) -> "tuple[Sequence[Sample], Data]":
    from validation.accuracy.document import Data

    if photos is not None:
        return photos, Data("dataset", str(dataset), len(photos), photos.left_out)

    from validation.accuracy.scenes import DEFAULT_SCENES, HeldOutScenes

    generated = HeldOutScenes(DEFAULT_SCENES if scenes is None else scenes)
    return generated, Data("scenes", None, len(generated))
