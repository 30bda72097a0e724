"""What was measured, of one artifact on one target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import FAILED, NOT_RUN
from validation.latency.core_ml_plan.placement import Placement
from validation.latency.device_results import DeviceResults
from validation.latency.instructions import StageCounts
from validation.latency.machine.memory_timeline import MemoryTimeline
from validation.latency.running.plan import Plan
from validation.latency.running.session import Load, WarmUp
from validation.latency.statistics import Ratio, Summary, paired_ratio, summarize

MEASURED, INVALID = "measured", "invalid"  # beside NOT_RUN and FAILED


@dataclass(frozen=True)
class Turn:
    """Seconds of a turn's runs; and why they do not count, or None."""

    seconds: tuple[float, ...]
    disturbance: str | None = None


@dataclass
class StageTimes:
    """The runs of one stage, in the order in which they were made.

    Attributes:
        first: the very first run; None for a stage that is made of others.
        warm_up: what came next.
        turns: what counts, unless it was disturbed.
    """

    plan: Plan
    first: Turn | None = None
    warm_up: WarmUp | None = None
    turns: list[Turn] = field(default_factory=list)

    @property
    def undisturbed(self) -> list[tuple[float, ...]]:
        """Seconds of the turns that count."""
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
        """Why these runs give no figures; None if they do."""
        if self.warm_up is not None and not self.warm_up.steady:
            return f"its times had not settled after {len(self.warm_up.seconds)} runs"
        if self.complete:
            return None
        reasons = {turn.disturbance: None for turn in self.turns if turn.disturbance is not None}
        count = len(self.turns) - len(self.undisturbed)
        if reasons:
            return f"in {count} of {len(self.turns)} turns {'; '.join(reasons)}"
        runs = sum(self.undisturbed, ())
        return f"only {len(runs)} runs in {sum(runs):.1f} s" if runs else "not measured"

    @property
    def summary(self) -> Summary | None:
        """The figures, of what counts."""
        return summarize(self.undisturbed) if self.problem is None else None

    def ratio_to(self, other: "StageTimes") -> Ratio | None:
        """Times in relation to ``other``'s, of the pairs of turns that count in both."""
        pairs = [
            (turn.seconds, beside.seconds)
            for turn, beside in zip(self.turns, other.turns, strict=False)  # one may have died
            if turn.disturbance is None and beside.disturbance is None
        ]
        return paired_ratio(pairs) if pairs and not (self.problem or other.problem) else None


@dataclass
class Measurement:
    """What is known of one artifact on one target; it grows while it is measured.

    Attributes:
        artifact: what was run.
        note: what a reader must know of the engine to read the figures right, or None.
        load: None if it did not get so far.
        load_disturbance: what disturbed the loading, or None.
        memory: bytes in use with the libraries alone, and at most.
        timeline: memory over time, where that was watched.
        stages: those that were begun.
        counts: instructions of each stage, on targets that count them instead of timing.
        missing: why it was not run.
        failure: what ended it.
        phone: what an app measured, on targets that are phones.
        placement: where Core ML computes what, by component, on targets that are Core ML.
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
        """Why it is not MEASURED; empty if it is."""
        if reason := self.failure or self.missing:
            return [reason]
        return [
            f"{stage.replace('_', ' ')}: {times.problem}"
            for stage, times in self.stages.items()
            if times.problem
        ]


@dataclass(frozen=True)
class TargetResult:
    """What a target measured.

    Attributes:
        target: its name.
        description: what the figures are figures of, in words.
        device_like: whether it imitates a device, which it is not.
        missing: why nothing was run; None if it was.
        measurements: one per artifact, in their order.
        unwatched: what could not be watched of the host.
        emulated: whether instructions of an emulated processor were counted, and nothing timed.
        side_by_side: whether artifacts took turns, so that their times make ratios.
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
        """A stage's time in relation to that of the first artifact."""
        first = self.measurements[0]
        if not self.side_by_side or measurement is first:
            return None
        if not {stage} <= measurement.stages.keys() & first.stages.keys():
            return None
        return measurement.stages[stage].ratio_to(first.stages[stage])
