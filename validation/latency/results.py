"""The measurements of artifacts on a target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import FAILED, NOT_RUN
from validation.latency.core_ml_plan.placement import Placement
from validation.latency.device_results_schema import DeviceResults
from validation.latency.instructions import StageCounts
from validation.latency.machine.memory_timeline import MemoryTimeline
from validation.latency.running.plan import Plan
from validation.latency.running.session import Load, WarmUp
from validation.latency.statistics import Ratio, TimingSummary, paired_ratio, summarize

MEASURED, INVALID = "measured", "invalid"  # the other statuses are NOT_RUN and FAILED


@dataclass(frozen=True)
class Turn:
    """The seconds of a turn's runs, and the reason why they do not count, or None."""

    seconds: tuple[float, ...]
    disturbance: str | None = None


@dataclass
class StageTimes:
    """The runs of one stage, in the order in which they were made.

    Attributes:
        plan: how many runs are measured.
        first: the very first run; None for a stage that consists of other stages.
        warm_up: the runs after the first, until the times settled.
        turns: the turns after the warm-up; those that nothing disturbed count.
    """

    plan: Plan
    first: Turn | None = None
    warm_up: WarmUp | None = None
    turns: list[Turn] = field(default_factory=list)

    @property
    def undisturbed(self) -> list[tuple[float, ...]]:
        """The seconds of the turns that count."""
        return [turn.seconds for turn in self.turns if turn.disturbance is None]

    @property
    def complete(self) -> bool:
        """Whether the plan is fulfilled."""
        runs = sum(self.undisturbed, ())
        return bool(runs) and len(runs) >= self.plan.runs and sum(runs) >= self.plan.seconds

    @property
    def hopeless(self) -> bool:
        """Whether so many turns were disturbed that the machine is not fit to measure on."""
        disturbed = [turn.seconds for turn in self.turns if turn.disturbance is not None]
        runs = sum(disturbed, ())
        return bool(runs) and len(runs) >= self.plan.runs and sum(runs) >= self.plan.seconds

    @property
    def problem(self) -> str | None:
        """The reason why these runs give no figures; None if they do."""
        if self.warm_up is not None and not self.warm_up.steady:
            return f"the times had not settled after {len(self.warm_up.seconds)} runs"
        if self.complete:
            return None
        reasons = {turn.disturbance: None for turn in self.turns if turn.disturbance is not None}
        count = len(self.turns) - len(self.undisturbed)
        if reasons:
            return f"in {count} of {len(self.turns)} turns {'; '.join(reasons)}"
        runs = sum(self.undisturbed, ())
        return f"only {len(runs)} runs in {sum(runs):.1f} s" if runs else "not measured"

    @property
    def summary(self) -> TimingSummary | None:
        """The figures of the turns that count; None if there is a problem."""
        return summarize(self.undisturbed) if self.problem is None else None

    def ratio_to(self, other: "StageTimes") -> Ratio | None:
        """Return the ratio of these times to ``other``'s, from the pairs of turns that both count."""
        pairs = [
            (turn.seconds, beside.seconds)
            # Not strict, because one of the two may have ended early.
            for turn, beside in zip(self.turns, other.turns, strict=False)
            if turn.disturbance is None and beside.disturbance is None
        ]
        return paired_ratio(pairs) if pairs and not (self.problem or other.problem) else None


@dataclass
class Measurement:
    """The results of one artifact on one target. It is filled in while the artifact is measured.

    Attributes:
        artifact: the artifact that was run.
        note: what a reader must know about the engine to understand the figures, or None.
        load: how the artifact was loaded; None if it was not.
        load_disturbance: what disturbed the loading, or None.
        memory: the bytes in use with only the libraries loaded, and the peak in bytes.
        timeline: the memory over time, on targets that record it.
        stages: the times of each stage that was begun.
        counts: the instructions of each stage, on targets that count them instead of timing.
        missing: the reason why the artifact was not run, or None.
        failure: the error that ended the measurement, or None.
        phone: the results that an app wrote, on targets that are phones.
        placement: component → where Core ML computes it, on targets that are Core ML.
    """

    artifact: Artifact
    note: str | None = None
    load: Load | None = None
    load_disturbance: str | None = None
    memory: tuple[int, int] | None = None
    timeline: MemoryTimeline = field(default_factory=MemoryTimeline)
    stages: dict[str, StageTimes] = field(default_factory=dict)
    counts: dict[str, StageCounts] = field(default_factory=dict)
    missing: str | None = None
    failure: str | None = None
    phone: DeviceResults | None = None
    placement: Mapping[str, Placement] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """One of MEASURED, INVALID, NOT_RUN, FAILED."""
        if self.failure is not None:
            return FAILED
        if self.missing is not None:
            return NOT_RUN
        return INVALID if self.reasons else MEASURED

    @property
    def reasons(self) -> list[str]:
        """The reasons why the status is not MEASURED; empty if it is."""
        if reason := self.failure or self.missing:
            return [reason]
        return [
            f"{stage.replace('_', ' ')}: {times.problem}"
            for stage, times in self.stages.items()
            if times.problem
        ]


@dataclass(frozen=True)
class TargetResult:
    """The results of one target.

    Attributes:
        target: the target's name.
        description: what the figures mean, in words.
        device_like: whether the target imitates a device on this machine.
        missing: the reason why nothing was run; None if it was.
        measurements: one measurement per artifact, in the artifacts' order.
        unwatched: the disturbances that this system does not report.
        emulated: whether instructions of an emulated processor were counted and nothing was timed.
        side_by_side: whether artifacts took turns, so that ratios of their times are fair.
    """

    target: str
    description: str
    device_like: bool
    missing: str | None
    measurements: Sequence[Measurement]
    unwatched: Sequence[str] = ()
    emulated: bool = False
    side_by_side: bool = True

    def ratio(self, measurement: Measurement, stage: str) -> Ratio | None:
        """Return the ratio of a stage's times to those of the first artifact, or None."""
        first = self.measurements[0]
        if not self.side_by_side or measurement is first:
            return None
        if not {stage} <= measurement.stages.keys() & first.stages.keys():
            return None
        return measurement.stages[stage].ratio_to(first.stages[stage])
