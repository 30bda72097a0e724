"""The demo weights draw objects, as docs/demo-weights.md says."""

import pytest
from real_photos import real_photo_samples

from reference import build_sam
from validation.accuracy import HeldOutScenes, measure_accuracy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sam():
    return build_sam("vit_t", "demo")


def test_held_out_scenes(sam):
    """The first of the scenes that the scores are of."""
    miou = measure_accuracy(sam, HeldOutScenes(12)).miou
    assert miou["box"] >= 0.55
    assert miou["point_best_of_three"] >= 0.45


def test_real_photos(sam, tmp_path):
    accuracy = measure_accuracy(sam, real_photo_samples(tmp_path))
    ious = {score.sample: score.ious for score in accuracy.scores}
    assert ious["flower.jpg"]["box"] >= 0.9
    assert ious["flower.jpg"]["point"] >= 0.6
    assert accuracy.miou["box"] >= 0.5
