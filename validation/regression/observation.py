"""Observes an artifact: measures everything that a baseline keeps, on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from reference.common.errors import ArtifactError
from reference.common.folders import size_of
from validation.artifacts.artifact import Artifact, read_manifest
from validation.comparison.conclusion import summarize, unproven
from validation.comparison.pipelines import compare_pipelines
from validation.comparison.results import CaseResult
from validation.documents.verdicts import FAILED, NOT_PROVEN, NOT_RUN, PASSED, Unavailable
from validation.engines import engine_openers
from validation.engines.artifact_model import ArtifactModel
from validation.engines.isolated import open_isolated
from validation.gates import gates_for, read_gates
from validation.inspection.cost.measure import measure_cost
from validation.latency.machine.host import machine
from validation.latency.results import Measurement
from validation.latency.statistics import Interval
from validation.questions.goldens import golden_questions
from validation.questions.pipeline import PhotoPipeline
from validation.regression.figures import FIGURES, LATENCY
from validation.regression.latency import Problem, measure_latency, ratios
from validation.regression.manifest_entries import manifest_entries, operators, tools
from validation.regression.outlines import outline_of
from validation.regression.record import Record
from validation.stages import IMAGE_ENCODER, MASK_DECODER

MASKS, COST, SIZE, MEMORY = "masks", "cost", "size", "memory"  # groups of figures, with LATENCY
TIME_LIMIT = 600.0  # seconds for one answer of an engine
# dB. Above this, the noise is that of float32 rounding, which differs between processors.
_LARGEST_SQNR = 80.0
_LARGEST_SCORE_DIFFERENCE = 1000.0  # replaces infinity, which JSON cannot hold
_NO_REFERENCE = Unavailable("the reference answers of golden cases are stored")
_NOT_CORE_ML = Problem(
    NOT_RUN,
    "mil_runtime is not Core ML, so its time and memory say nothing about a phone: measure on a phone, "
    "and compare the results with 'validate ingest'",
)


@dataclass(frozen=True)
class Observation:
    """The state of an artifact, as observed on this machine.

    Attributes:
        record: the record that a baseline would keep.
        intervals: name of a latency → its interval.
        problems: name of a figure or of a group → the reason why it is missing.
        unwatched: the disturbances that this system does not report.
    """

    record: Record
    intervals: Mapping[str, Interval]
    problems: Mapping[str, Problem]
    unwatched: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether a part of the observation is FAILED or NOT_PROVEN."""
        return any(problem.verdict in (FAILED, NOT_PROVEN) for problem in self.problems.values())


def observe(artifact: Artifact) -> Observation:
    """Run the goldens, count the cost, and measure latency and memory.

    Errors of the artifact are recorded as problems of the observation.

    Raises:
        ArtifactError: the goldens are damaged, or the artifact's scheme has no gates.
    """
    seen = _Seen()
    seen.look_at_masks(artifact)
    seen.count_cost(artifact)
    if artifact.format == "torchscript" and MASKS not in seen.problems:
        seen.measure(artifact)
    else:
        # An artifact that cannot answer the goldens cannot be timed either.
        problem = seen.problems.get(MASKS, _NOT_CORE_ML)
        seen.problems |= {LATENCY: problem, MEMORY: problem}
    manifest = read_manifest(artifact)
    files = manifest["files"]
    record = Record(
        manifest=manifest_entries(manifest),
        operators=operators(manifest),
        figures={name: FIGURES[name].kept(value) for name, value in seen.figures.items()},
        masks=seen.masks,
        engine=seen.engine,
        calibration=seen.calibration,
        machine=machine() if seen.calibration else "",
        files={name: files[name]["sha256"] for name in files},
        tools=tools(manifest),
    )
    return Observation(record, seen.intervals, seen.problems, seen.unwatched)


class _Seen:
    """The observation so far."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.masks: dict[str, str] = {}
        self.intervals: dict[str, Interval] = {}
        self.problems: dict[str, Problem] = {}
        self.unwatched: tuple[str, ...] = ()
        self.engine = self.calibration = ""

    def look_at_masks(self, artifact: Artifact) -> None:
        try:
            engine = open_isolated(artifact, engine_openers(artifact), TIME_LIMIT)
        except ArtifactError as error:
            self.problems[MASKS] = Problem(FAILED, str(error))
            return
        if isinstance(engine, Unavailable):
            self.problems[MASKS] = Problem(NOT_RUN, engine.reason)
            return
        self.engine = engine.name
        gates = gates_for(artifact, read_gates())
        candidate = PhotoPipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
        with engine:
            results = compare_pipelines(
                artifact,
                golden_questions(artifact),
                _NO_REFERENCE,
                candidate,
                gates,
                pictures=True,
            )
        if problem := _problem(results):
            self.problems[MASKS] = problem
            return
        self.figures |= mask_figures(results)
        self.masks |= {result.name: outline_of(result.pictures.artifact_mask) for result in results}

    def count_cost(self, artifact: Artifact) -> None:
        self.figures |= {
            f"{SIZE}.{name}": size_of(path) for name, path in artifact.components.items()
        }
        try:
            cost = measure_cost(artifact)
        except ArtifactError as error:
            self.problems[COST] = Problem(NOT_RUN, str(error))
            return
        for component in cost.components:
            self.figures |= {
                f"{COST}.{component.name}.multiply_adds": component.multiply_adds,
                f"{COST}.{component.name}.peak_bytes": component.memory.peak_bytes,
                f"{COST}.{component.name}.operations": sum(component.operations.values()),
            }

    def measure(self, artifact: Artifact) -> None:
        launches, host = measure_latency(artifact)
        self.unwatched = tuple(host.unwatched())
        for stage, ratio in ratios(launches).items():
            name = f"{LATENCY}.{stage}"
            if isinstance(ratio, Problem):
                self.problems[name] = ratio
                continue
            self.figures[name] = ratio.median
            self.intervals[name] = ratio.interval
            self.calibration = launches[0].calibration.load.engine
        self._look_at_memory([launch.measured for launch in launches])

    def _look_at_memory(self, measurements: Sequence[Measurement]) -> None:
        last = measurements[-1]  # after a launch that cannot be run there is no other
        if last.failure is not None:
            self.problems[MEMORY] = Problem(FAILED, last.failure)
        elif last.memory is None:
            self.problems[MEMORY] = Problem(NOT_RUN, last.missing or "it was not measured")
        else:
            added = [peak - libraries for libraries, peak in (each.memory for each in measurements)]
            self.figures[f"{MEMORY}.added"] = median(added) / 1e6


def _problem(results: Sequence[CaseResult]) -> Problem | None:
    """Return why golden cases have no figures, or None. A broken artifact must not become a baseline."""
    broken = [result.reason for result in results if result.agreement is None]
    if broken:
        return Problem(FAILED, broken[0])
    if wrong := sum(not result.is_finite for result in results):
        return Problem(FAILED, f"NaN or infinity in {wrong} of {len(results)} golden cases")
    if missing := unproven(results):
        return Problem(NOT_PROVEN, "; ".join(missing))
    return None


def mask_figures(results: list[CaseResult]) -> dict[str, float]:
    """Compute the figures of golden cases, all of which must have run."""
    summary = summarize(results)
    difference = min(summary.max_score_difference, _LARGEST_SCORE_DIFFERENCE)
    figures = {
        "masks.cases_held": sum(result.status == PASSED for result in results),
        "masks.mean_iou": summary.mean_iou,
        "masks.lowest_iou": summary.min_iou,
        "masks.mean_boundary_iou": summary.mean_boundary_iou,
        "masks.score_difference": difference,
    }
    for name, stage in (("embeddings", IMAGE_ENCODER), ("logits", MASK_DECODER)):
        sqnrs = [
            loss.output.sqnr
            for result in results
            for loss in result.stages
            if loss.stage == stage and loss.output is not None
        ]
        # Embeddings have no SQNR if the frame itself differs from the reference frame.
        if sqnrs:
            figures[f"masks.{name}_sqnr"] = min(*sqnrs, _LARGEST_SQNR)
    return figures
