"""Losses of masks have the known values, and prefer the better mask."""

import math

import pytest
import torch

from reference.training.losses import balanced_loss, dice_loss, focal_loss, mask_iou, mask_loss


def square(size=8, first=2, last=6):
    mask = torch.zeros(1, size, size)
    mask[:, first:last, first:last] = 1
    return mask


def logits_of(mask, certainty=20.0):
    return ((2 * mask - 1) * certainty)[:, None]


def test_right_mask_costs_nothing():
    assert mask_loss(logits_of(square()), square()).item() == pytest.approx(0, abs=1e-6)


def test_focal_loss_of_ignorance_is_known():
    # p = 1/2 everywhere: alpha (1/2)^2 log 2, alpha a quarter for the object and three for the rest.
    share = 16 / 64
    expected = (0.25 * share + 0.75 * (1 - share)) * 0.25 * math.log(2)
    assert focal_loss(torch.zeros(8, 8), square()[0]).item() == pytest.approx(expected)


def test_dice_loss_counts_overlap():
    shifted = square(first=4, last=8)  # 4 of 16 cells in common
    expected = 1 - (2 * 4 + 1) / (16 + 16 + 1)
    assert dice_loss(logits_of(shifted)[0], square()).item() == pytest.approx(expected, abs=1e-5)


def test_each_of_several_masks_has_its_loss():
    logits = torch.cat([logits_of(square()), logits_of(square(first=4, last=8))], 1)
    right, wrong = mask_loss(logits, square())[0]
    assert right < 1e-6 < wrong


def test_soft_edge_is_found_where_half_is_covered():
    target = torch.tensor([[1.0, 0.8, 0.3, 0.0]])[None]
    logits = torch.zeros(1, 1, 1, 4, requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.1)
    for _ in range(300):
        optimizer.zero_grad()
        mask_loss(logits, target).sum().backward()
        optimizer.step()
    assert (logits > 0).flatten().tolist() == [True, True, False, False]


def test_iou_is_the_share_of_the_union():
    logits = torch.cat([logits_of(square()), logits_of(square(first=4, last=8))], 1)
    assert mask_iou(logits, square())[0].tolist() == pytest.approx([1, 4 / 28])


@pytest.fixture
def scattered():
    """Return (B, h, w) targets and zones. Most objects lie where the zones are low."""
    zones = torch.arange(4).repeat_interleave(10).expand(6, 40, 40)
    chances = torch.tensor([0.8, 0.5, 0.2, 0.001])[zones]
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(chances.shape, generator=generator) < chances).float(), zones


def test_place_alone_does_not_lower_the_balanced_loss(scattered):
    target, zones = scattered
    chances = torch.tensor([0.8, 0.5, 0.2, 0.001])[zones]
    ignorant, placed = torch.zeros(6, 1, 40, 40), torch.logit(chances)[:, None]
    assert balanced_loss(ignorant, target, zones).mean().item() == pytest.approx(math.log(2))
    assert balanced_loss(placed, target, zones).mean() > math.log(2)
    assert focal_loss(placed, target[:, None]).mean() < focal_loss(ignorant, target[:, None]).mean()


def test_what_is_there_lowers_the_balanced_loss(scattered):
    target, zones = scattered
    logits = torch.cat([logits_of(target), -logits_of(target)], 1)
    right, wrong = balanced_loss(logits, target, zones).mean(0)
    assert right == pytest.approx(0, abs=1e-6)
    assert wrong == pytest.approx(20, rel=1e-3)


def test_zones_without_an_object_do_not_count(scattered):
    target, zones = scattered
    logits = torch.zeros(6, 1, 40, 40, requires_grad=True)
    balanced_loss(logits, target, zones).sum().backward()
    seen = logits.grad[:, 0] != 0
    assert torch.equal(seen, zones < 3)
    assert balanced_loss(logits, torch.zeros_like(target), zones).sum() == 0
