"""A model learns which pixels belong together, from labels to the command."""

import json
import math

import pytest
import torch
from torch.nn.functional import normalize, one_hot

from reference.common.errors import TrainingError
from reference.modeling.sam import Sam
from reference.scenes import Scenes, generate_scenes
from reference.training.grouping_task import (
    GroupingTask,
    LabeledPictures,
    pair_loss,
    smallest_instances,
    unexplained_colors,
)
from reference.training.painted_batches import PictureOptions
from reference.weights.checkpoint import load_weights, read_checkpoint
from tests.support.tiny_variant import TINY

NUMBERS = [range(0, 2), range(2, 4)]


def test_labels_are_of_the_smallest_instance_at_each_cells_center():
    masks = torch.zeros(1, 3, 16, 16, dtype=torch.bool)
    masks[0, 0, :, :8] = True  # a whole
    masks[0, 1, 8:, :8] = True  # its part
    masks[0, 2, :, 8:] = True  # not an instance
    valid = torch.tensor([[True, True, False]])
    scenes = Scenes(torch.zeros(1, 3, 16, 16), masks, valid, torch.tensor([[-1, 0, -1]]))
    assert smallest_instances(scenes)[0].tolist() == [[1, 1, 0, 0]] * 2 + [[2, 2, 0, 0]] * 2


@pytest.fixture(scope="module")
def labels():
    return smallest_instances(generate_scenes(range(4), 224, frame=1024))


def told(features, labels, step):
    loss, right = pair_loss(features, labels, *step)
    return float(loss), float(right)


@pytest.mark.parametrize("step", [(5, 0), (-5, 0), (0, 5), (3, 4), (-3, 4)])
def test_features_of_objects_tell_every_pair(labels, step):
    objects = one_hot(labels, 40).permute(0, 3, 1, 2).float()
    loss, right = told(objects, labels, step)
    assert right == 1
    assert loss == pytest.approx(math.log1p(math.exp(-2.5)), abs=1e-5)


@pytest.mark.parametrize("step", [(1, 0), (8, 0), (-6, 5)])
def test_features_of_places_tell_no_pair(labels, step):
    y, x = torch.meshgrid(torch.arange(56.0), torch.arange(56.0), indexing="ij")
    places = torch.stack([(x / 9).cos(), (x / 9).sin(), (y / 9).cos(), (y / 9).sin()])
    _, right = told(normalize(places.expand(4, -1, -1, -1), dim=1), labels, step)
    assert right == 0.5


def test_pairs_of_background_say_nothing():
    features = normalize(torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    assert told(features, torch.zeros(1, 6, 6, dtype=torch.long), (1, 1)) == (0, 0)


def test_a_step_may_leave_the_picture():
    features = torch.ones(1, 1, 4, 4)
    for step in ((9, 0), (-9, 0), (0, 9), (7, 6), (-7, 6)):
        assert told(features, torch.ones(1, 4, 4, dtype=torch.long), step) == (0, 0)


def test_colors_are_explained_as_far_as_features_say():
    generator = torch.Generator().manual_seed(0)
    features, noise = (torch.randn(2, 4, 24, 24, generator=generator) for _ in range(2))
    colors = torch.stack([2 * features[:, 0] + 3, features[:, 1] - features[:, 3]], dim=1)
    assert unexplained_colors(features, colors) < 0.01
    assert unexplained_colors(noise, colors) == pytest.approx(1, abs=0.05)
    halves = unexplained_colors(features, features[:, :1] + noise[:, :1])
    assert halves == pytest.approx(0.5, abs=0.05)
    assert unexplained_colors(features, torch.full_like(colors, 7)) < 1e-3  # one color


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(0)
    return Sam(TINY)


def test_workers_paint_the_same(sam):
    here = list(GroupingTask(sam, PictureOptions(64, zoom=3)).batches(NUMBERS))
    there = list(GroupingTask(sam, PictureOptions(64, zoom=3), workers=1).batches(NUMBERS))
    for first, second in zip(here, there, strict=True):
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.labels, second.labels)
        assert first.labels.shape == (2, 16, 16)


def test_a_crop_that_does_not_fit_is_refused(sam):
    with pytest.raises(TrainingError, match="--crop 100: expected a multiple of 32, at most 256"):
        GroupingTask(sam, PictureOptions(100))


def test_it_is_learned():
    torch.manual_seed(0)
    sam = Sam(TINY)
    module = GroupingTask(sam, PictureOptions(128)).module
    scenes = generate_scenes(range(4), 128, frame=256)
    batch = LabeledPictures(scenes.images, smallest_instances(scenes))
    optimizer = torch.optim.AdamW(module.parameters(), 2e-3)
    near = []
    for _ in range(40):
        loss, figures = module(batch, torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        near.append(float(figures["near_right"]))
    assert near[0] < 0.6
    assert near[-1] > 0.8


def test_command_makes_a_start_for_scenes(command, tmp_path):
    output = tmp_path / "grouping"
    arguments = ("--pictures", 2, "--crop", 64, "--steps", 2)
    assert command("grouping", "--output", output, *arguments) == 0
    (line,) = (output / "metrics.jsonl").read_text().splitlines()
    assert {"near_right", "far_right", "unexplained"} <= set(json.loads(line))
    weights = output / "weights.safetensors"
    load_weights(Sam(TINY), read_checkpoint(weights))
    arguments += ("--objects", 2, "--checkpoint", weights)
    assert command("scenes", "--output", tmp_path / "scenes", *arguments) == 0
