"""Metrics that a wrong answer cannot slip through."""

import numpy as np
import pytest

from reference.common.errors import ArtifactError
from validation.metrics import (
    MAX_DECIBELS,
    area_change,
    boundary_iou,
    is_blank,
    largest_difference,
    mask_iou,
    tensor_difference,
)

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
        ([1, NAN], [1, NAN], INF),
        ([NAN, 1], [1, NAN], INF),
        ([1, 2], [1, NAN], INF),
        ([1, NAN], [1, 2], INF),
        ([INF, -INF], [INF, -INF], INF),
        ([INF], [-INF], INF),
        ([INF], [1], INF),
        ([NAN], [INF], INF),
        ([NAN, 1], [NAN, 3], INF),
        ([NAN], [NAN], INF),
        ([3e38], [-3e38], 6e38),
    ],
)
def test_largest_difference(values, other, difference):
    measured = largest_difference(np.float32(values), np.float32(other))
    assert measured == pytest.approx(difference)


def test_differences_need_two_arrays_of_one_shape():
    with pytest.raises(ArtifactError, match="expected the same shape"):
        largest_difference(np.zeros((1, 3)), np.zeros((1, 4)))
    with pytest.raises(ArtifactError, match="expected at least one element"):
        largest_difference(np.zeros((0, 4)), np.zeros((0, 4)))


def square(side, size=100, at=0):
    """A square of that side in a photo of 100×100, whose boundaries are 3 pixels deep."""
    picture = np.zeros((size, size), bool)
    picture[at : at + side, at : at + side] = True
    return picture


def test_boundary_iou_sees_what_iou_hides():
    large, larger = square(90, at=5), square(94, at=3)
    assert mask_iou(large, larger) > 0.91
    ring = 90**2 - 84**2, 94**2 - 88**2
    both = 90**2 - 88**2  # the outermost pixel of one is the third of the other
    assert boundary_iou(large, larger) == pytest.approx(both / (sum(ring) - both))
    assert boundary_iou(large, large) == 1.0


def test_border_of_the_photo_is_an_outline():
    holed = np.ones((100, 100), bool)
    holed[3:97, 3:97] = False
    assert boundary_iou(np.ones((100, 100), bool), holed) == 1.0


def test_boundaries_of_empty_masks():
    empty = np.zeros((100, 100), bool)
    assert boundary_iou(empty, empty) == 1.0
    assert boundary_iou(empty, square(1)) == boundary_iou(square(1), empty) == 0.0


def test_masks_that_show_no_object():
    assert is_blank(square(0))
    assert is_blank(~square(0))
    assert not is_blank(square(1))
    assert not is_blank(~square(1))


def test_area_change():
    assert area_change(square(20), square(10)) == 3.0
    assert area_change(square(0), square(10)) == -1.0
    assert area_change(square(0), square(0)) == 0.0
    assert area_change(square(1), square(0)) == INF


def test_tensor_difference():
    expected = np.float32([[3, 0], [0, 4]])
    difference = tensor_difference(np.float32([[3, 0], [0, 4.5]]), expected)
    assert difference.sqnr == pytest.approx(20)  # 25 over 0.25
    assert difference.psnr == pytest.approx(10 * np.log10(4 * 16 / 0.25))
    assert difference.relative_l2 == pytest.approx(0.1)
    assert difference.cosine == pytest.approx((9 + 18) / (5 * np.hypot(3, 4.5)))
    assert (difference.largest, difference.where, difference.not_finite) == (0.5, (1, 1), 0)


def test_difference_does_not_depend_on_the_shape():
    random = np.random.default_rng(0)
    expected = random.normal(size=(1, 8, 6))
    values = expected + 0.01 * random.normal(size=expected.shape)
    flat = tensor_difference(values.reshape(-1), expected.reshape(-1))
    assert tensor_difference(values, expected).sqnr == flat.sqnr


def test_identical_tensors():
    difference = tensor_difference(np.float32([3, -4]), np.float32([3, -4]))
    assert (difference.sqnr, difference.psnr) == (MAX_DECIBELS, MAX_DECIBELS)
    assert (difference.cosine, difference.relative_l2, difference.where) == (1.0, 0.0, None)


@pytest.mark.parametrize("values", [[1, 2, NAN], [1, 2, INF], [1, 2, -INF]])
@pytest.mark.parametrize("side", ["actual", "expected", "both"])
def test_nothing_is_comparable_beside_what_is_not_finite(values, side):
    broken, sound = np.float32(values), np.float32([1, 2, 3])
    actual, expected = (
        broken if side in (name, "both") else sound for name in ("actual", "expected")
    )
    difference = tensor_difference(actual, expected)
    assert (difference.sqnr, difference.cosine) == (-MAX_DECIBELS, 0.0)
    assert (difference.relative_l2, difference.largest) == (INF, INF)
    assert (difference.where, difference.not_finite) == ((2,), 1)


@pytest.mark.parametrize(
    ("values", "expected", "cosine", "relative"),
    [([0, 0], [0, 0], 1.0, 0.0), ([1, 0], [0, 0], 0.0, INF), ([0, 0], [1, 0], 0.0, 1.0)],
)
def test_tensors_of_zeros(values, expected, cosine, relative):
    difference = tensor_difference(np.float32(values), np.float32(expected))
    assert (difference.cosine, difference.relative_l2) == (cosine, relative)
