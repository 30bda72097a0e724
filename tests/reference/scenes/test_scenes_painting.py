"""Outlines have the right shape, and masks are what was painted, to the pixel."""

import dataclasses

import pytest
import torch

from reference.scenes.camera import blur
from reference.scenes.dice import Dice
from reference.scenes.instances import INSTANCES, read_instances
from reference.scenes.looks import PALETTE, draw_colors
from reference.scenes.objects import NOTHING, Objects, draw_objects
from reference.scenes.outlines import KINDS
from reference.scenes.painting import BACKGROUND, REGIONS, Canvas, paint
from reference.scenes.shapes import NUMBERS, REACH, Shapes, signed_distance
from reference.scenes.textures import PHOTOS, load_textures

FAR_COLOR = -1000.0  # that no object has
SIZE = (128, 128)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """The objects of 24 scenes, 12 in each."""
    dice = Dice(range(24))
    palette = draw_colors(dice, PALETTE)
    return draw_objects(dice, palette, 3, dice.log_uniform(16, 90, 12), SIZE)


def empty_canvas(scenes: int, color: float) -> Canvas:
    labels = torch.full((scenes, *SIZE), BACKGROUND, dtype=torch.uint8)
    return Canvas(torch.full((scenes, 3, *SIZE), color), labels)


def painted(objects: Objects, color: float, count: int) -> tuple[Canvas, torch.Tensor]:
    """Paint the first ``count`` objects of each scene on a canvas of one color, and return it with their areas."""
    scenes, most = objects.diameter.shape
    canvas = empty_canvas(scenes, color)
    present = (torch.arange(most) < count).expand(scenes, -1)
    return canvas, paint(canvas, objects, present, load_textures("cpu"))


def test_labels_are_where_the_picture_was_painted(objects):
    hard = dataclasses.replace(
        objects,
        softness=torch.full_like(objects.softness, 1e-6),
        shadow=torch.zeros_like(objects.shadow),
    )
    canvas, _ = painted(hard, FAR_COLOR, 12)
    untouched = (canvas.colors == FAR_COLOR).all(1)
    assert torch.equal(untouched, canvas.labels == BACKGROUND)
    assert 0.1 < untouched.float().mean() < 0.9


def test_a_mask_is_where_its_object_covers_more_than_half(objects):
    looks = objects.body_looks
    never = torch.zeros_like(looks.patterned)
    white = dataclasses.replace(
        objects,
        body_looks=dataclasses.replace(
            looks, base=torch.full_like(looks.base, 256.0), patterned=never, textured=never
        ),
        role=torch.full_like(objects.role, NOTHING),
        light=torch.zeros_like(objects.light),
        rim=torch.zeros_like(objects.rim),
        softness=torch.full_like(objects.softness, 3.0),
        shadow=torch.zeros_like(objects.shadow),
    )
    canvas, area = painted(white, 0.0, 1)
    covered = canvas.colors[:, 0] > 128
    assert torch.equal(covered, canvas.labels == 0)
    assert torch.equal(area[:, 0], covered.sum((1, 2)))
    partly = (canvas.colors > 0) & (canvas.colors < 256)
    assert partly.any()  # soft edges


def test_later_objects_lie_on_top(objects):
    alone = painted(objects, 0.0, 1)[0].labels // REGIONS == 0
    together, area = painted(objects, 0.0, 12)
    still_seen = together.labels // REGIONS == 0
    assert not (still_seen & ~alone).any()
    assert still_seen.sum() < alone.sum()
    assert torch.equal(area[:, 0], alone.sum((1, 2)))


def test_shadows_darken_what_lies_below(objects):
    shadowed = dataclasses.replace(objects, shadow=torch.full_like(objects.shadow, 0.5))
    canvas, _ = painted(shadowed, 200.0, 1)
    below = canvas.colors[:, 0][canvas.labels == BACKGROUND]
    assert below.min() < 150
    assert (below < 199).float().mean() > 0.005


def test_every_kind_of_shape_occurs(objects):
    assert set(objects.body.kind.flatten().tolist()) == set(range(len(KINDS)))


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=list(KINDS))
def test_an_outline_keeps_within_its_reach(kind):
    count, radius = 64, 40.0
    generator = torch.Generator().manual_seed(kind)
    numbers = torch.rand(count, NUMBERS, generator=generator)
    kinds = torch.full((count,), kind)
    shapes = Shapes(
        kind=kinds,
        center=torch.full((count, 2), 64.0),
        radius=torch.full((count,), radius),
        aspect=torch.linspace(0.3, 1, count),
        angle=torch.linspace(0, 6, count),
        wobble=torch.linspace(0, 0.08, count),
        numbers=numbers,
    )
    position = torch.arange(128) + 0.5
    x, y = position.expand(count, 1, 128), position[:, None].expand(count, 128, 1)
    inside = signed_distance(shapes, kinds, x, y) > 0
    from_center = torch.hypot(x - 64, y - 64)
    assert not inside[from_center > radius * REACH].any()
    area = inside.sum((1, 2))
    assert (area > 30).all()
    assert len(area.unique()) > count / 4  # one kind, many forms


def test_distances_count_pixels_across_the_outline():
    shapes = Shapes(
        kind=torch.zeros(1, dtype=torch.int64),
        center=torch.tensor([[32.0, 32.0]]),
        radius=torch.tensor([20.0]),
        aspect=torch.tensor([0.5]),
        angle=torch.zeros(1),
        wobble=torch.zeros(1),
        numbers=torch.zeros(1, NUMBERS),
    )
    x, y = torch.arange(64.0).view(1, 1, 64), torch.arange(64.0).view(1, 64, 1)
    distance = signed_distance(shapes, shapes.kind, x, y)[0]
    torch.testing.assert_close(distance[32, 50:55], torch.arange(2.0, -3, -1), atol=0.1, rtol=0)
    torch.testing.assert_close(distance[40:45, 32], torch.arange(2.0, -3, -1), atol=0.4, rtol=0)


def test_instances_are_read_from_labels():
    labels = torch.full((1, 40, 40), BACKGROUND, dtype=torch.uint8)
    labels[0, :10, :10] = 0  # a whole with a part
    labels[0, :10, 10:20] = 2
    labels[0, 10, :7] = 3  # a part too small to count
    labels[0, 20:30, :10] = REGIONS  # mostly hidden
    labels[0, 20:30, 20:30] = 2 * REGIONS + 1  # all of it one part
    labels[0, 39, :] = 3 * REGIONS  # too small
    masks, valid, parents = read_instances(labels, torch.tensor([[210, 501, 100, 40]]))
    assert masks.shape == (1, INSTANCES, 40, 40)
    assert valid[0].tolist() == [True] * 3 + [False] * (INSTANCES - 3)
    assert parents[0].tolist() == [-1, 0, -1] + [-1] * (INSTANCES - 3)
    assert masks[0].sum((1, 2)).tolist() == [207, 100, 100] + [0] * (INSTANCES - 3)
    assert torch.equal(masks[0, 1], labels[0] == 2)


def test_blur_spreads_light_in_the_pictures_it_is_meant_for():
    pictures = torch.zeros(3, 3, 33, 33)
    pictures[:, :, 16, 16] = 100
    before = pictures.clone()
    blur(pictures, torch.tensor([0.0, 1.0, 3.0]))
    assert torch.equal(pictures[0], before[0])
    torch.testing.assert_close(pictures.sum((2, 3)), before.sum((2, 3)), rtol=0.1, atol=0)
    assert 100 > pictures[1].max() > pictures[2].max() > 0


def test_textures_leave_out_the_photos_for_judging():
    names = {name for names in PHOTOS.values() for name in names}
    judged = ("flower", "astronaut", "coffee", "chelsea", "rocket")
    assert not [name for name in names if name.startswith(judged)]
    textures = load_textures("cpu")
    assert textures.shape[1:] == (3, 256, 256)
    assert len(textures) > 6 * len(names)
    assert 0 <= textures.min() < textures.max() <= 255
    assert load_textures("cpu") is textures
