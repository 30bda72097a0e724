"""Measures how well artifacts find objects, and how much accuracy each scheme loses."""

from reference.common.progress import progress
from validation.accuracy.document import with_references
from validation.accuracy.evaluation import Evaluation, Evaluator
from validation.accuracy.scenes import HeldOutScenes
from validation.accuracy.table import COLUMNS
from validation.evidence.bench import ARTIFACTS, Bench
from validation.evidence.page import MASK_TOOLS, Table
from validation.gates import read_gates

SCENES = 150  # a loss is a mean over pairs, which needs fewer objects than a score does


def measure_accuracy_of_schemes(bench: Bench) -> list[Table]:
    """Measure the reference and every artifact. Return a table with a row for each."""
    artifacts = [
        bench.artifact(*pair)
        for pair in progress(ARTIFACTS, description="accuracy", unit="artifact")
    ]
    scenes = list(HeldOutScenes(SCENES))  # generated once for all artifacts
    evaluations = list(Evaluator(scenes, read_gates(None)).evaluate(artifacts))
    rows = [_row(evaluation) for evaluation in with_references(evaluations)]
    header = ("<artifact", "objects", *COLUMNS.values(), "most lost", "gate", "<gate held")
    note = f"The first {SCENES} held-out scenes."
    return [Table("accuracy", MASK_TOOLS, header, rows, note)]


def _row(evaluation: Evaluation) -> tuple[str, ...]:
    artifact, accuracy, lost = evaluation.artifact, evaluation.accuracy, evaluation.miou_lost
    name = f"{artifact.format} {artifact.scheme}" if artifact else f"reference: {evaluation.name}"
    if accuracy is None:
        reasons = "; ".join(evaluation.not_run_reasons + evaluation.failures)
        return (f"{name}: {reasons}", "0", *["–"] * (len(COLUMNS) + 2), evaluation.verdict)
    return (
        name,
        str(len(accuracy.scores)),
        *(f"{accuracy.miou[protocol]:.3f}" for protocol in COLUMNS),
        "–" if lost is None else f"{max(lost.values()):z.3f}",
        "–" if lost is None else f"≤ {evaluation.max_miou_lost:g}",
        evaluation.verdict or "–",
    )
