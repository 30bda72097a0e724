"""Clicks and boxes are where somebody who knows the object would put them."""

import numpy as np
import pytest
from scipy.ndimage import label
from skimage.draw import disk, polygon

from validation.accuracy.clicks import Click, corrective_click, interior_point, tight_box


def empty(height=60, width=80):
    return np.zeros((height, width), bool)


def rectangle(top, bottom, left, right):
    mask = empty()
    mask[top:bottom, left:right] = True
    return mask


def test_interior_point_of_a_disk_is_its_center():
    mask = empty()
    mask[disk((25, 40), 12)] = True
    assert interior_point(mask) == (40, 25)


def test_interior_point_of_a_ring_is_on_the_ring():
    mask = empty()
    mask[disk((30, 40), 25)] = True
    mask[disk((30, 40), 15)] = False
    x, y = interior_point(mask)
    assert mask[y, x]
    assert 19 <= np.hypot(x - 40, y - 30) <= 21


def test_photo_border_is_a_border_of_the_mask():
    assert interior_point(rectangle(0, 60, 0, 80))[1] in (29, 30)
    assert interior_point(rectangle(0, 21, 0, 21)) == (10, 10)


def test_interior_point_of_one_pixel_is_that_pixel():
    assert interior_point(rectangle(59, 60, 79, 80)) == (79, 59)


def test_tight_box_reaches_the_far_edges():
    assert tight_box(rectangle(5, 10, 20, 50)).tolist() == [20, 5, 50, 10]


def test_no_click_is_needed_if_nothing_is_wrong():
    mask = rectangle(5, 10, 20, 50)
    assert corrective_click(mask, mask) is None


@pytest.mark.parametrize(
    ("mask", "truth", "expected"),
    [
        # nothing is found yet: the click is in the object's middle
        (empty(), rectangle(10, 21, 30, 41), Click(35, 15, 1)),
        # too much is found: the click is outside the object
        (rectangle(10, 21, 0, 80), rectangle(10, 21, 11, 80), Click(5, 15, 0)),
        # two kinds of errors: the click is in the largest region, though the other kind has more pixels
        (
            rectangle(0, 11, 0, 11) | rectangle(50, 60, 0, 20) | rectangle(50, 60, 25, 45),
            rectangle(0, 11, 0, 11) | rectangle(0, 15, 30, 45),
            Click(37, 7, 1),
        ),
        # the larger of an object's two pieces is missing
        (
            rectangle(0, 9, 0, 9),
            rectangle(0, 9, 0, 9) | rectangle(40, 51, 60, 71),
            Click(65, 45, 1),
        ),
    ],
)
def test_corrective_click_is_where_the_largest_error_is(mask, truth, expected):
    assert corrective_click(mask, truth) == expected


@pytest.mark.parametrize("seed", range(20))
def test_clicks_land_inside_the_largest_region(seed):
    generator = np.random.default_rng(seed)
    mask, truth = empty(), empty()
    for drawn in (mask, truth):
        for _ in range(3):
            vertices = generator.uniform(0, (60, 80), (6, 2))
            drawn[polygon(*vertices.T, drawn.shape)] = True
    click = corrective_click(mask, truth)
    wrong = truth & ~mask if click.label == 1 else mask & ~truth
    assert wrong[click.y, click.x]
    sizes = []
    for errors in (truth & ~mask, mask & ~truth):
        regions, count = label(errors)
        sizes += [np.count_nonzero(regions == number) for number in range(1, count + 1)]
    regions, _ = label(wrong)
    assert np.count_nonzero(regions == regions[click.y, click.x]) == max(sizes)
