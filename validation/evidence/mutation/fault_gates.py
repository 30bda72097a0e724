"""The kinds of gates that may catch a mistake: those of ``validate compare``, and those of ``validate regress``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reference.common.folders import size_of
from validation.artifacts.artifact import Artifact, read_manifest
from validation.comparison.judging import failed_mask, stage_failures, summary_failures
from validation.comparison.results import Comparison
from validation.documents.verdicts import FAILED
from validation.questions.cases import GOLDEN
from validation.regression.figures import FIGURES
from validation.regression.judging import Line, judge
from validation.regression.limits import Limits, read_limits
from validation.regression.manifest_entries import manifest_entries, operators
from validation.regression.observation import Observation, mask_figures
from validation.regression.outlines import outline_of
from validation.regression.record import Record

COMPARE_MASKS, COMPARE_SQNR = "compare, masks", "compare, SQNR"
REGRESS_MASKS, REGRESS_SQNR = "regress, masks", "regress, SQNR"
REGRESS_FILES, REGRESS_STRICT = "regress, files", "regress, strict"
GATES = (
    COMPARE_MASKS,
    COMPARE_SQNR,
    REGRESS_MASKS,
    REGRESS_SQNR,
    REGRESS_FILES,
    REGRESS_STRICT,
)
STRICT_LIMITS = Path(__file__).with_name("strict_limits.toml")
# The masks that are compared with those of the baseline have no figure, and neither have manifest and operators.
_MASKS_OF_BASELINE = "masks against baseline masks"
_COMPARES = "max_cases_lost"  # counts the cases that pass the gates of ``validate compare``


class FaultGates:
    """The default gates of ``validate compare``, and two sets of limits of ``validate regress``."""

    def __init__(self) -> None:
        """Read the limits."""
        self._limits, self._strict = read_limits(), read_limits(STRICT_LIMITS)

    def caught(self, before: Record, now: Record, comparison: Comparison) -> dict[str, str]:
        """Return kind of gate → the first reason, for the kinds that an artifact fails.

        Args:
            before: what the baseline keeps of the sound artifact.
            now: the same of the artifact.
            comparison: the artifact compared with the reference.
        """
        caught = _failures_of_compare(comparison) | _failures_of_regress(before, now, self._limits)
        strictly = _failures_of_regress(before, now, self._strict)
        for gate in (REGRESS_SQNR, REGRESS_MASKS):
            if gate in strictly:
                caught[REGRESS_STRICT] = strictly[gate]
        return caught


def _failures_of_compare(comparison: Comparison) -> dict[str, str]:
    """Return kind of gate → why ``validate compare`` fails, for the kinds that fail."""
    gates = comparison.gates
    masks: list[str] = [*summary_failures(gates, comparison.summary)]
    sqnr: list[str] = []
    for case in comparison.cases:
        sqnr += stage_failures(gates, case.stages).values()
        agreement = case.agreement
        if failed_mask(gates, agreement) is not None or (
            agreement.score_difference > gates.max_score_difference
        ):
            masks += case.reasons
    return _firsts({COMPARE_MASKS: masks, COMPARE_SQNR: sqnr})


def _failures_of_regress(before: Record, now: Record, limits: Limits) -> dict[str, str]:
    """Return kind of gate → why ``validate regress`` fails, for the kinds that fail."""
    reasons: dict[str, list[str]] = {}
    for line in judge(before, Observation(now, {}, {}), limits):
        if line.verdict == FAILED and (gate := _gate_of(line)):
            change = line.figure.change_text(line.change) if line.figure else line.change
            reasons.setdefault(gate, []).append(f"{line.quantity}: {change}")
    return _firsts(reasons)


def _gate_of(line: Line) -> str | None:
    """Return the kind of gate that a line of ``validate regress`` belongs to."""
    if line.figure is None:
        return REGRESS_MASKS if line.quantity == _MASKS_OF_BASELINE else REGRESS_FILES
    if line.figure.limit == _COMPARES:
        return None
    by_limit = {"max_sqnr_loss": REGRESS_SQNR, "max_size_growth": REGRESS_FILES}
    return by_limit.get(line.figure.limit, REGRESS_MASKS)


def _firsts(reasons: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {gate: texts[0] for gate, texts in reasons.items() if texts}


def record_of(artifact: Artifact, comparison: Comparison) -> Record:
    """Return what a baseline of ``validate regress`` keeps, without cost, latency and memory."""
    manifest = read_manifest(artifact)
    goldens = [case for case in comparison.cases if case.kind == GOLDEN]
    figures = mask_figures(goldens) | {
        f"size.{name}": size_of(path) for name, path in artifact.components.items()
    }
    return Record(
        manifest=manifest_entries(manifest),
        operators=operators(manifest),
        figures={name: FIGURES[name].kept(value) for name, value in figures.items()},
        masks={case.name: outline_of(case.pictures.artifact_mask) for case in goldens},
    )
