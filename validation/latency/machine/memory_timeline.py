"""Records a process's memory over its busy time, stage by stage."""

from dataclasses import dataclass, field

from validation.latency.machine.memory import MemorySamples


@dataclass
class Stretch:
    """The memory of one stage, without a break.

    Attributes:
        stage: "load", or one of ``plan.STAGES``.
        memory: the samples; their seconds are the process's busy time since loading began.
    """

    stage: str
    memory: MemorySamples = field(default_factory=MemorySamples)


@dataclass
class MemoryTimeline:
    """Stretches in order of time. The pauses during which other artifacts run are left out.

    Attributes:
        stretches: the stretches; neighbors belong to different stages.
    """

    stretches: list[Stretch] = field(default_factory=list)
    _busy: float = 0.0

    def clear(self) -> None:
        """Remove all stretches and start at second 0 again."""
        self.stretches.clear()
        self._busy = 0.0

    def add(self, stage: str, memory: MemorySamples) -> None:
        """Append the samples of one call, whose seconds count from the start of the call."""
        samples = memory.samples
        if not samples:
            return
        if not self.stretches or self.stretches[-1].stage != stage:
            self.stretches.append(Stretch(stage))
        self.stretches[-1].memory.add((self._busy + time, size) for time, size in samples)
        self._busy += samples[-1][0]
