"""A model is trained on scenes, from batches to the command."""

import json
import os
import subprocess
import sys

import pytest
import torch

from reference.common.errors import TrainingError
from reference.modeling.sam import Sam
from reference.training.scene_task import SceneOptions, SceneTask
from reference.weights.checkpoint import load_weights, read_checkpoint
from tests.support.tiny_variant import TINY

NUMBERS = [range(0, 2), range(2, 4), range(4, 6)]


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(0)
    return Sam(TINY)


def test_batches_are_crops_with_objects_in_a_frame(sam):
    task = SceneTask(sam, SceneOptions(crop=96, objects=4))
    places = set()
    for targets in task.batches(NUMBERS):
        pictures = len(targets.images)
        assert targets.images.shape == (pictures, 3, 96, 96)
        assert targets.masks.shape == (pictures, 4, 96, 96)
        assert targets.masks.flatten(2).any(-1).all()
        assert targets.place.frame == 256
        assert all(0 <= x <= 256 - 96 and x % 16 == 0 for x in targets.place.offset)
        places.add(targets.place)
    assert len(places) > 1


def test_some_steps_show_whole_scenes(sam):
    numbers = [range(step, step + 1) for step in range(20)]

    def frames(whole: float) -> list[int]:
        task = SceneTask(sam, SceneOptions(crop=64, objects=2, whole=whole))
        places = [targets.place for targets in task.batches(numbers)]
        assert all(place.offset == (0, 0) for place in places if place.frame == 64)
        return [place.frame for place in places]

    assert set(frames(0)) == {256}
    assert set(frames(1)) == {64}
    assert 3 < frames(0.5).count(64) < 17


def test_zoom_shows_larger_objects_and_not_every_time(sam):
    def areas(zoom: float) -> list[float]:
        task = SceneTask(sam, SceneOptions(crop=128, objects=8, zoom=zoom))
        numbers = [range(8 * step, 8 * step + 8) for step in range(6)]
        return [
            targets.masks.sum((2, 3)).float().mean().item() for targets in task.batches(numbers)
        ]

    as_they_are, magnified = areas(1), areas(8)
    assert sum(magnified) > 1.5 * sum(as_they_are)
    assert min(magnified) < 2 * max(as_they_are)


def test_workers_paint_the_same(sam):
    options = SceneOptions(crop=64, objects=2, plain=0.5, zoom=3)
    here = list(SceneTask(sam, options).batches(NUMBERS))
    there = list(SceneTask(sam, options, workers=2).batches(NUMBERS))
    for first, second in zip(here, there, strict=True):
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.masks, second.masks)
        assert first.place == second.place


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SceneOptions(crop=100), "--crop 100: expected a multiple of 32, at most 256"),
        (SceneOptions(crop=512), "--crop 512: expected a multiple of 32, at most 256"),
        (SceneOptions(crop=64, objects=3), "--objects 3: expected an even number"),
    ],
)
def test_options_that_do_not_fit_are_refused(sam, options, message):
    with pytest.raises(TrainingError, match=message):
        SceneTask(sam, options)


def test_command_trains_and_goes_on(command, tmp_path, capsys):
    output = tmp_path / "run"
    arguments = ("scenes", "--output", output, "--pictures", 2, "--crop", 64, "--objects", 2)
    assert command(*arguments, "--steps", 3, "--save-every", 2) == 0
    assert capsys.readouterr().out == f"weights: {output / 'weights.safetensors'}\n"
    (line,) = (output / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 3
    load_weights(Sam(TINY), read_checkpoint(output / "weights.safetensors"))
    assert command(*arguments, "--steps", 3, "--save-every", 2) == 0  # nothing is left to do
    assert command(*arguments, "--steps", 4) == 2
    assert "holds a training with steps 3" in capsys.readouterr().err


def test_training_takes_a_frame_of_another_size_in_bfloat16(command, tmp_path):
    output = tmp_path / "run"
    arguments = ("scenes", "--output", output, "--pictures", 2, "--objects", 2, "--steps", 1)
    assert command(*arguments, "--frame", 128, "--bfloat16") == 0
    options = json.loads((output / "options.json").read_text())
    assert (options["frame"], options["crop"], options["bfloat16"]) == (128, 128, True)
    load_weights(Sam(TINY), read_checkpoint(output / "weights.safetensors"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--frame", 130), "--frame 130: expected a multiple of 32"),
        (("--fixed-statistics",), "--fixed-statistics: expected --checkpoint too"),
    ],
)
def test_options_of_no_sense_are_refused(command, tmp_path, capsys, options, message):
    arguments = ("scenes", "--output", tmp_path / "run", "--steps", 1)
    assert command(*arguments, *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("clicks", ["0", "1"])
def test_two_processes_train_one_model(clicks, tmp_path):
    """torchrun trains the full-size model on small crops."""
    output = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "reference.training", "scenes", "--output", str(output), "--steps", "2"]
    command += ["--pictures", "2", "--crop", "64", "--objects", "2", "--clicks", clicks]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (line,) = (output / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 2
    assert len(read_checkpoint(output / "weights.safetensors")) > 300
