"""The true masks of the real photos fit their photos."""

import numpy as np
import pytest

from tests.support.real_photos import real_photo_samples
from validation.accuracy.clicks import interior_point

# Photo → x, y of a pixel in the object, and of a pixel next to the object.
PIXELS = {
    "flower.jpg": ((310, 220), (340, 390)),
    "astronaut.png": ((220, 100), (400, 420)),
    "coffee.png": ((230, 250), (360, 290)),
    "chelsea.png": ((250, 200), (420, 150)),
    "rocket.jpg": ((322, 250), (312, 230)),
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return real_photo_samples(tmp_path_factory.mktemp("real_photos"))


def test_each_of_the_photos_has_one_object(samples):
    assert [sample.name for sample in samples] == list(PIXELS)
    assert all(len(sample.instances) == 1 for sample in samples)


def test_masks_hold_the_object_and_not_its_neighbor(samples):
    for sample in samples:
        mask = sample.instances[0].mask
        (x, y), (other_x, other_y) = PIXELS[sample.name]
        assert mask[y, x], sample.name
        assert not mask[other_y, other_x], sample.name
        x, y = interior_point(mask)
        assert mask[y - 4 : y + 5, x - 4 : x + 5].all()


def test_outlines_lie_on_edges(samples):
    """Colors differ more across an outline than a few pixels inside or outside of it."""
    for sample in samples:
        mask, pixels = sample.instances[0].mask, sample.pixels.astype(float)
        contrast = [_contrast(pixels, np.roll(mask, shift, axis=1)) for shift in (-8, 0, 8)]
        assert contrast[1] > max(contrast[0], contrast[2]), sample.name


def _contrast(pixels, mask):
    """Return the mean color difference of horizontal neighbors on both sides of a mask's outline."""
    parted = mask[:, 3:-3] & ~mask[:, 6:]
    return np.abs(pixels[:, 3:-3] - pixels[:, 6:])[parted].mean()
