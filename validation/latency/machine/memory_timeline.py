"""Records a process's memory over its busy time, stage by stage."""

import math
from dataclasses import dataclass, field

from validation.latency.machine.memory import MOST_SAMPLES, MemorySamples


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

    def add(self, stage: str, samples: object) -> bool:
        """Append the samples of a child's answer. Return False if they are malformed."""
        if not isinstance(samples, list) or len(samples) > MOST_SAMPLES:
            return False
        if not all(_is_sample(sample) for sample in samples):
            return False
        if not samples:
            return True
        if not self.stretches or self.stretches[-1].stage != stage:
            self.stretches.append(Stretch(stage))
        self.stretches[-1].memory.add((self._busy + time, size) for time, size in samples)
        self._busy += samples[-1][0]
        return True


def _is_sample(sample: object) -> bool:
    if not isinstance(sample, list) or len(sample) != 2:
        return False
    seconds, size = sample
    return (
        isinstance(seconds, float) and 0 <= seconds < math.inf and type(size) is int and size >= 0
    )
