"""Metrics that a wrong answer cannot slip through."""

import numpy as np
import pytest

from reference.errors import ArtifactError
from validation.metrics import largest_difference, mask_iou

NAN, INF = float("nan"), float("inf")


def mask(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


@pytest.mark.parametrize(
    ("one", "other", "iou"),
    [
        (mask("##.", "##."), mask("##.", "##."), 1.0),
        (mask("##.", "##."), mask(".##", ".##"), 2 / 6),
        (mask("##.", "..."), mask("...", ".##"), 0.0),
        (mask("...", "..."), mask("...", "..."), 1.0),
        (mask("...", "..."), mask("...", "..#"), 0.0),
        (mask("..#", "..."), mask("...", "..."), 0.0),
    ],
)
def test_mask_iou(one, other, iou):
    assert mask_iou(one, other) == pytest.approx(iou)


def test_masks_of_other_shapes_are_not_broadcast():
    with pytest.raises(ArtifactError, match=r"\(1, 3\) compared with one of \(2, 3\)"):
        mask_iou(mask("##."), mask("##.", "##."))


def test_logits_are_no_masks():
    with pytest.raises(ArtifactError, match="expected bool"):
        mask_iou(np.ones((2, 2), np.float32), np.ones((2, 2), bool))


@pytest.mark.parametrize(
    ("values", "other", "difference"),
    [
        ([1, 2, 3], [1, 2.5, 2], 1.0),
        ([0, -0.0], [-0.0, 0], 0.0),
        ([1, NAN], [1, NAN], 0.0),
        ([NAN, 1], [1, NAN], INF),
        ([1, 2], [1, NAN], INF),
        ([1, NAN], [1, 2], INF),
        ([INF, -INF], [INF, -INF], 0.0),
        ([INF], [-INF], INF),
        ([INF], [1], INF),
        ([NAN], [INF], INF),
        ([NAN, 1], [NAN, 3], 2.0),
        ([NAN], [NAN], 0.0),
        ([3e38], [-3e38], 6e38),
    ],
)
def test_largest_difference(values, other, difference):
    measured = largest_difference(np.float32(values), np.float32(other))
    assert measured == pytest.approx(difference)


def test_differences_need_two_arrays_of_one_shape():
    with pytest.raises(ArtifactError, match="expected the same shape"):
        largest_difference(np.zeros((1, 3)), np.zeros((1, 4)))
    with pytest.raises(ArtifactError, match="expected something to compare"):
        largest_difference(np.zeros((0, 4)), np.zeros((0, 4)))
