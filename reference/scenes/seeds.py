"""Seeds for torch's generators out of large numbers."""

import numpy as np


def mixed_seed(number: int) -> int:
    """A seed of 32 bits that depends on every bit of a number ≥ 0.

    torch's generator on the CPU looks at no more than the lowest 32 bits of its seed.
    """
    return int(np.random.SeedSequence(number).generate_state(1)[0])
