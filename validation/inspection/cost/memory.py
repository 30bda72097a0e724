"""Memory of activations: what a program's values take, and how much of it at once."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One operation, as memory sees it. Values that share memory, such as a view and its base, are one buffer.

    Attributes:
        reads: buffers that it takes; constants are not among them.
        allocates: buffers that it makes → their bytes.
    """

    reads: Collection[Hashable]
    allocates: Mapping[Hashable, int]


@dataclass(frozen=True)
class MemoryUse:
    """Memory of activations, inputs and outputs.

    Attributes:
        activation_bytes: of all buffers that operations make, whether at once or not.
        peak_bytes: the most that lives at once, inputs and outputs included. A buffer lives from the operation
            that makes it to the last one that takes it; inputs from the start, outputs to the end.
    """

    activation_bytes: int
    peak_bytes: int


def memory_use(
    inputs: Mapping[Hashable, int], steps: Sequence[Step], outputs: Collection[Hashable]
) -> MemoryUse:
    """Memory of a program whose operations run in the order of ``steps``.

    Args:
        inputs: buffer → bytes.
        steps: the operations.
        outputs: buffers that the program gives.
    """
    last_use: dict[Hashable, int] = {}
    for index, step in enumerate(steps):
        last_use.update(dict.fromkeys([*step.allocates, *step.reads], index))
    last_use.update(dict.fromkeys(outputs, len(steps)))

    live = dict(inputs)
    peak = sum(live.values())
    current = peak
    for index, step in enumerate(steps):
        live.update(step.allocates)
        current += sum(step.allocates.values())
        peak = max(peak, current)
        for buffer in {*step.allocates, *step.reads}:
            if last_use[buffer] == index:
                current -= live.pop(buffer, 0)
    return MemoryUse(sum(sum(step.allocates.values()) for step in steps), peak)
