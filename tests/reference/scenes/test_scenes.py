"""Generated scenes depend on their seed alone, have the right size, and say which masks belong together."""

import dataclasses

import pytest
import torch
from torch import Tensor

from reference.scenes import INSTANCES, MIN_AREA, Scenes, generate_scenes
from tests.support.requirements import lack


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """Small scenes, and so many that what happens now and then happens in some of them."""
    return generate_scenes(range(160), 128)


def equal(first: Scenes, second: Scenes) -> bool:
    return all(
        torch.equal(getattr(first, field.name), getattr(second, field.name))
        for field in dataclasses.fields(Scenes)
    )


def row(scenes: Scenes, index: int) -> Scenes:
    fields = {
        field.name: getattr(scenes, field.name)[index : index + 1]
        for field in dataclasses.fields(Scenes)
    }
    return Scenes(**fields)


def longer_sides(masks: Tensor) -> Tensor:
    """Return the longer sides of the boxes around masks (n, H, W)."""
    sides = [masks.any(axis).long().sum(1) for axis in (1, 2)]
    return torch.maximum(*sides)


def test_scenes_have_shapes_and_types(scenes):
    assert scenes.images.shape == (160, 3, 128, 128)
    assert scenes.images.dtype == torch.float32
    assert scenes.masks.shape == (160, INSTANCES, 128, 128)
    assert scenes.masks.dtype == scenes.valid.dtype == torch.bool
    assert scenes.parents.dtype == torch.int64


def test_images_are_like_decoded_photos(scenes):
    images = scenes.images
    assert torch.equal(images, images.round())
    assert 0 <= images.min() < 10
    assert 245 < images.max() <= 255
    assert 80 < images.mean() < 150
    assert (images.flatten(1).std(1) > 5).all()


def test_a_seed_is_a_scene():
    first, again, other = (generate_scenes([seed], 96) for seed in (7, 7, 8))
    assert equal(first, again)
    assert not torch.equal(first.images, other.images)


def test_a_scene_does_not_depend_on_its_neighbors(scenes):
    for index in (3, 41):
        assert equal(generate_scenes([index], 128), row(scenes, index))


def test_wholes_do_not_overlap(scenes):
    wholes = scenes.masks & (scenes.valid & (scenes.parents < 0))[..., None, None]
    assert wholes.sum(1).max() == 1


def test_parts_lie_in_their_wholes_and_apart(scenes):
    parts = scenes.valid & (scenes.parents >= 0)
    assert parts.sum() > 100
    for scene, part in parts.nonzero().tolist():
        parent = scenes.parents[scene, part]
        whole, mask = scenes.masks[scene, parent], scenes.masks[scene, part]
        assert scenes.valid[scene, parent]
        assert scenes.parents[scene, parent] == -1
        assert not (mask & ~whole).any()
        assert (whole & ~mask).sum() >= MIN_AREA
    assert (scenes.masks & parts[..., None, None]).sum(1).max() == 1


def test_valid_masks_are_large_enough_and_the_others_empty(scenes):
    area = scenes.masks.sum((2, 3))
    assert (area[scenes.valid] >= MIN_AREA).all()
    assert not area[~scenes.valid].any()
    assert (scenes.parents[~scenes.valid] == -1).all()
    assert (scenes.valid.any(1).sum() > 150).all()


def test_objects_have_sizes_from_16_pixels_to_half_of_the_frame():
    scenes = generate_scenes(range(40), 256)
    sides = longer_sides(scenes.masks[scenes.valid & (scenes.parents < 0)])
    assert 8 <= sides.min() <= 16
    assert 0 < (sides > 1.15 * 128).sum() < 0.03 * len(sides)  # close-ups
    for low, high in ((16, 32), (32, 64), (64, 128)):
        share = ((sides >= low) & (sides < high)).float().mean()
        assert share > 0.15, (low, high)


def test_crops_show_objects_that_are_larger_than_they_are():
    scenes = generate_scenes(range(40), 64, frame=1024)
    sides = longer_sides(scenes.masks[scenes.valid])
    assert (sides == 64).sum() > 10
    assert (sides < 32).sum() > 10


def test_plain_scenes_are_smooth_and_have_a_few_large_objects(scenes):
    plain = generate_scenes(range(40), 128, plain=1)
    assert plain.valid.any(1).sum() > 35
    assert (plain.valid & (plain.parents < 0)).sum(1).max() <= 6

    def median_side(of: Scenes) -> float:
        return longer_sides(of.masks[of.valid & (of.parents < 0)]).float().median().item()

    assert median_side(plain) > 1.3 * median_side(scenes)
    noise = 255 * torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    gray = torch.full((2, 3, 64, 64), 128.0)
    ones = [generate_scenes(range(20), 64, textures=each, plain=1) for each in (noise, gray)]
    assert equal(*ones)


def test_a_share_of_scenes_is_plain_and_the_others_are_what_they_were(scenes):
    mixed = generate_scenes(range(160), 128, plain=0.25)
    same = sum(equal(row(mixed, index), row(scenes, index)) for index in range(160))
    assert 100 < same < 140


@pytest.mark.parametrize("size", [(96, 160), (75, 50), (7, 33)])
def test_scenes_may_have_any_size(size):
    scenes = generate_scenes(range(4), size)
    assert scenes.images.shape == (4, 3, *size)
    assert scenes.masks.shape[2:] == size


def test_textures_may_be_given():
    checks = 255.0 * (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).expand(2, 3, 8, 8)
    gray = torch.full((2, 3, 8, 8), 128.0)
    with_checks, plain = (generate_scenes([0, 1, 2], 64, textures=each) for each in (checks, gray))
    assert torch.equal(with_checks.masks, plain.masks)
    assert not torch.equal(with_checks.images, plain.images)


def test_scenes_are_the_same_on_a_gpu():
    if not torch.cuda.is_available():
        lack("CUDA", "no CUDA device")
    there, here = (generate_scenes(range(8), 256, device=device) for device in ("cuda", "cpu"))
    assert there.images.device.type == "cuda"
    difference = (there.images.cpu() - here.images).abs()
    assert (difference > 1).float().mean() < 1e-3
    assert (there.masks.cpu() != here.masks).float().mean() < 1e-4
