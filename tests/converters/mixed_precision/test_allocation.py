"""Each allocation is the best one of its size."""

from itertools import pairwise, product

import pytest
import torch

from converters.mixed_precision.allocation import Candidate, Layer, allocations
from converters.quantization.weight_formats import Integers, Palette

FORMATS = (Palette(2), Palette(4), Integers(8), None)


def layers_with_random_losses(seed, count=4):
    generator = torch.Generator().manual_seed(seed)
    candidates = {}
    for number in range(count):
        weights = int(torch.randint(100, 1000, (), generator=generator))
        losses = torch.rand(len(FORMATS) - 1, generator=generator).tolist()
        bits = (2, 4, 8, 16)
        candidates[Layer("image_encoder" if number % 2 else "mask_decoder", f"layer{number}")] = [
            Candidate(weight_format, weights * width // 8, loss)
            for weight_format, width, loss in zip(FORMATS, bits, [*losses, 0.0], strict=True)
        ]
    return candidates


@pytest.mark.parametrize("seed", range(5))
def test_no_mixture_of_at_most_the_same_size_costs_less(seed):
    candidates = layers_with_random_losses(seed)
    mixtures = [
        (sum(each.size for each in mixture), sum(each.loss for each in mixture))
        for mixture in product(*candidates.values())
    ]
    for found in allocations(candidates):
        best = min(loss for size, loss in mixtures if size <= found.size)
        assert found.loss == pytest.approx(best)


def test_allocations_grow_and_lose_less():
    found = allocations(layers_with_random_losses(seed=7, count=20))
    assert len(found) > 20
    for before, after in pairwise(found):
        assert before.size < after.size
        assert before.loss > after.loss


def test_the_largest_allocation_has_floats_only():
    largest = allocations(layers_with_random_losses(seed=1))[-1]
    assert largest.formats == {"image_encoder": {}, "mask_decoder": {}}
    assert largest.loss == 0


def test_a_format_that_is_larger_and_worse_is_never_chosen():
    layer = Layer("mask_decoder", "layer")
    candidates = {
        layer: [
            Candidate(Palette(4), 50, 0.2),
            Candidate(Integers(4, 32), 60, 0.3),
            Candidate(None, 200, 0.0),
        ]
    }
    chosen = [found.formats["mask_decoder"].get("layer") for found in allocations(candidates)]
    assert chosen == [Palette(4), None]
