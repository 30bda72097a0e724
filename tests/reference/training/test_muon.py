"""Muon's updates are almost orthogonal, and it learns small directions faster than gradient descent."""

import pytest
import torch
from torch import nn

from reference.training.muon import SCALE, Muon, orthogonalized


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (32, 32), (8, 4, 3, 3)])
def test_an_update_has_singular_values_of_about_one_and_entries_of_the_scale(shape):
    update = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    made = orthogonalized(update)
    assert made.shape == update.shape
    matrix = made.flatten(1)
    values = torch.linalg.svdvals(matrix) / (SCALE * max(matrix.shape) ** 0.5)
    assert 0.3 < values.min() <= values.max() < 1.3
    assert made.square().mean().sqrt() == pytest.approx(SCALE, rel=0.25)


def test_an_update_does_not_depend_on_the_gradients_size():
    update = torch.randn(8, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonalized(2**-10 * update), orthogonalized(update))


def test_directions_of_small_gradients_are_learned_as_fast():
    torch.manual_seed(0)
    inputs = torch.randn(256, 16) * torch.logspace(0, -2, 16)  # some hardly vary
    truth = torch.randn(16, 16)

    def error_after(make_optimizer) -> float:
        weight = nn.Parameter(torch.zeros(16, 16))
        optimizer = make_optimizer([weight])
        for _ in range(200):
            loss = (inputs @ (weight - truth)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (weight - truth).square().mean().item()

    by_descent = error_after(lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.95))
    assert error_after(lambda parameters: Muon(parameters, lr=0.05)) < by_descent / 2


def test_decay_and_parameters_without_a_gradient():
    weight, idle = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([weight, idle], lr=0.1, weight_decay=0.5)
    weight.grad = torch.zeros(4, 4)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 0.95))
    assert torch.equal(idle.detach(), torch.ones(4, 4))
