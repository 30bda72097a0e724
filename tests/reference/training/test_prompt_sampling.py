"""Prompts are sampled from true masks."""

import pytest
import torch

from reference.training.prompt_sampling import (
    corrective_points,
    noisy_boxes,
    random_points,
    tight_boxes,
)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def rectangle(x1, y1, x2, y2, width=40, height=30):
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[y1 : y2 + 1, x1 : x2 + 1] = True
    return mask


def test_points_lie_in_their_region_and_everywhere_in_it(generator):
    regions = torch.stack([rectangle(3, 4, 5, 8), rectangle(30, 20, 30, 20)])
    seen = set()
    for _ in range(200):
        (first, second) = random_points(regions, generator).int().tolist()
        seen.add(tuple(first))
        assert second == [30, 20]
    assert seen == {(x, y) for x in range(3, 6) for y in range(4, 9)}


def test_tight_boxes_touch_the_masks():
    masks = torch.stack([rectangle(3, 4, 25, 8), rectangle(0, 0, 39, 29)])
    assert tight_boxes(masks).tolist() == [[3, 4, 25, 8], [0, 0, 39, 29]]


def test_noisy_boxes_stay_near_and_in_the_picture(generator):
    masks = rectangle(0, 5, 30, 15).expand(500, -1, -1)
    moved = noisy_boxes(masks, generator) - tight_boxes(masks)
    assert moved[:, 1].std() == pytest.approx(1, abs=0.15)  # a tenth of 10 rows
    assert moved[:, 2].std() == pytest.approx(3, abs=0.4)
    assert noisy_boxes(masks, generator).min() >= 0
    large = torch.ones(500, 400, 400, dtype=torch.bool)
    assert (noisy_boxes(large, generator) - tight_boxes(large)).abs().max() <= 20


def test_corrective_points_say_what_is_wrong(generator):
    true = torch.stack([rectangle(10, 10, 20, 20)] * 3)
    predicted = torch.stack(
        [rectangle(10, 10, 20, 19), rectangle(10, 10, 20, 21), rectangle(10, 10, 20, 20)]
    )
    points, labels = corrective_points(predicted, true, generator)
    assert points[:2, 1].tolist() == [20, 21]  # the row that is missing; the one too many
    assert labels.tolist() == [1, 0, 1]
    x, y = points[2].int().tolist()
    assert true[2, y, x]
