"""Seeds of more than 32 bits give different scenes."""

import torch

from reference.scenes.seeds import mixed_seed


def drawn(number):
    return tuple(
        torch.rand(4, generator=torch.Generator().manual_seed(mixed_seed(number))).tolist()
    )


def test_every_bit_counts():
    numbers = [0, *(1 << bit for bit in range(0, 50, 7)), (1 << 32) + 1]
    assert len({drawn(number) for number in numbers}) == len(numbers)
    assert drawn(1 << 49) == drawn(1 << 49)
