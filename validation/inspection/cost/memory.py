"""Memory that a program's activations take in total and at most at once."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """The buffers of one operation. Values that share memory, such as a view and its base, are one buffer.

    Attributes:
        reads: buffers that the operation reads, without constants.
        allocates: buffers that the operation allocates → their bytes.
    """

    reads: Collection[Hashable]
    allocates: Mapping[Hashable, int]


@dataclass(frozen=True)
class MemoryUse:
    """Memory of activations, inputs and outputs.

    Attributes:
        activation_bytes: bytes of all buffers that operations allocate.
        peak_bytes: largest number of bytes that are alive at once, with inputs and outputs. A buffer is alive from
            the operation that allocates it to the last one that reads it. Inputs are alive from the start, and
            outputs to the end.
    """

    activation_bytes: int
    peak_bytes: int


def memory_use(
    inputs: Mapping[Hashable, int], steps: Sequence[Step], outputs: Collection[Hashable]
) -> MemoryUse:
    """Memory of a program whose operations run in the order of ``steps``.

    Args:
        inputs: buffers of the program's inputs → their bytes.
        steps: the operations.
        outputs: buffers of the program's outputs.
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
