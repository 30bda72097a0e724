"""Held-out scenes are the same for everybody, and training never uses them."""

import numpy as np
import pytest

from reference.scenes import generate_scenes
from validation.accuracy import HeldOutScenes
from validation.accuracy.scenes import HELD_OUT_SEEDS, INSTANCES_PER_SCENE, SIZES

LAST_TRAINING_SEED = 2**40 - 1


@pytest.fixture(scope="module")
def scenes():
    return list(HeldOutScenes(4))


def test_photos_have_several_sizes(scenes):
    assert [scene.pixels.shape for scene in scenes] == [(*size, 3) for size in SIZES[:4]]
    assert max(map(max, SIZES)) <= 1024
    for scene in scenes:
        assert scene.pixels.dtype == np.uint8
        assert np.ptp(scene.pixels) > 100


def test_each_scene_has_few_objects(scenes):
    counts = [len(scene.instances) for scene in scenes]
    assert max(counts) == INSTANCES_PER_SCENE
    for scene in scenes:
        for instance in scene.instances:
            assert instance.mask.shape == scene.pixels.shape[:2]
            assert 0 < np.count_nonzero(instance.mask) < instance.mask.size / 2
            assert instance.is_part in (True, False)


def test_scenes_are_the_same_whatever_their_number(scenes):
    again = HeldOutScenes(100)[2]
    assert (again.pixels == scenes[2].pixels).all()
    assert [item.name for item in again.instances] == [item.name for item in scenes[2].instances]
    for instance, expected in zip(again.instances, scenes[2].instances, strict=True):
        assert (instance.mask == expected.mask).all()


def test_training_has_not_seen_them(scenes):
    assert HELD_OUT_SEEDS > LAST_TRAINING_SEED
    trained_on = generate_scenes([0], SIZES[0]).images[0].permute(1, 2, 0).numpy()
    assert np.abs(trained_on - scenes[0].pixels).mean() > 10
