"""Deriving seeds for torch's generators from large numbers."""

import numpy as np


def mixed_seed(number: int) -> int:
    """Return a seed of 32 bits that depends on every bit of a number ≥ 0.

    torch's generator on the CPU uses only the lowest 32 bits of its seed.
    """
    return int(np.random.SeedSequence(number).generate_state(1)[0])
