"""The training loop can be killed, continues where it was, and writes a checkpoint."""

import json
import math
from dataclasses import replace

import pytest
import torch

from reference.common.errors import TrainingError
from reference.modeling.sam import Sam
from reference.training.processes import Processes
from reference.training.run_folder import RunFolder
from reference.training.trainer import Schedule, Trainer, learning_rate
from reference.weights.checkpoint import load_weights, read_checkpoint
from tests.support.tiny_variant import TINY

STEPS = 6
SCHEDULE = Schedule(steps=STEPS, pictures=2, learning_rate=1e-3, warmup=2)


class EncoderTask:
    """A task that is learned quickly: the embeddings of noise should be zero."""

    def __init__(self, sam, killed_at=None, poisoned_at=None):
        self.module = Zero(sam)
        self.killed_at, self.poisoned_at = killed_at, poisoned_at
        self.numbers = []

    def batches(self, numbers):
        for pictures in numbers:
            self.numbers.append(pictures.start)
            if len(self.numbers) == self.killed_at:
                raise KeyboardInterrupt
            generator = torch.Generator().manual_seed(pictures.start)
            images = torch.rand(len(pictures), 3, 64, 64, generator=generator)
            yield images * math.nan if len(self.numbers) == self.poisoned_at else images


class Zero(torch.nn.Module):
    def __init__(self, sam):
        super().__init__()
        self.image_encoder = sam.image_encoder

    def forward(self, images, generator):
        loss = self.image_encoder(images).square().mean()
        return loss, {"root": loss.detach().sqrt()}


def make_trainer(path, schedule=SCHEDULE, **faults):
    torch.manual_seed(0)
    sam = Sam(TINY)
    folder = RunFolder(path)
    folder.begin(vars(schedule))
    processes = Processes(0, 1, torch.device("cpu"))
    return Trainer(sam, EncoderTask(sam, **faults), schedule, folder, processes)


def test_killed_and_resumed_is_as_if_never_killed(tmp_path):
    whole = make_trainer(tmp_path / "whole")
    whole.train(2, lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path / "parts", killed_at=4).train(2, lambda line: None)
    rest = make_trainer(tmp_path / "parts")
    assert rest.step == 2
    rest.train(2, lambda line: None)
    assert rest.task.numbers == whole.task.numbers[2:]
    assert (tmp_path / "parts/weights.safetensors").read_bytes() == (
        tmp_path / "whole/weights.safetensors"
    ).read_bytes()
    for name, tensor in whole.sam.state_dict().items():
        assert torch.equal(tensor, rest.sam.state_dict()[name]), name


def test_log(tmp_path):
    trainer = make_trainer(tmp_path, Schedule(steps=25, pictures=1, learning_rate=1e-3))
    lines = []
    trainer.train(100, lines.append)
    logged = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert logged == lines
    assert [line["step"] for line in lines] == [20, 25]
    assert lines[1]["loss"] < lines[0]["loss"]
    assert lines[1]["seconds_left"] == 0
    assert all(line["pictures_per_second"] > 0 for line in lines)


def test_lines_of_lost_steps_are_forgotten(tmp_path):
    folder = RunFolder(tmp_path)
    for step in (20, 40, 60):
        folder.log({"step": step})
    (tmp_path / "metrics.jsonl").open("a").write('{"step": 8')  # killed while writing
    folder.forget_after(40)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [20, 40]


def test_weights_are_a_checkpoint_of_the_average(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.train(100, lambda line: None)
    weights = read_checkpoint(tmp_path / "weights.safetensors")
    assert {t.dtype for t in weights.values()} == {torch.float16, torch.int64}
    sam = Sam(TINY)
    load_weights(sam, weights)
    for name, tensor in trainer.average.module.named_parameters():
        torch.testing.assert_close(sam.get_parameter(name), tensor, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("fixed", [True, False])
def test_statistics_of_normalization(tmp_path, fixed):
    trainer = make_trainer(tmp_path, replace(SCHEDULE, fixed_statistics=fixed))
    before = {
        name: tensor.clone()
        for name, tensor in trainer.sam.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    }
    trainer.train(100, lambda line: None)
    changed = [
        name
        for name, tensor in before.items()
        if not torch.equal(tensor, trainer.sam.get_buffer(name))
    ]
    assert changed == ([] if fixed else list(before))


def test_divergence_is_an_error_and_the_last_state_is_kept(tmp_path):
    trainer = make_trainer(tmp_path, poisoned_at=4)
    with pytest.raises(TrainingError, match="diverged"):
        trainer.train(2, lambda line: None)
    assert make_trainer(tmp_path).step == 2


def test_folder_of_another_training_is_refused(tmp_path):
    make_trainer(tmp_path)
    with pytest.raises(TrainingError, match="holds a training with learning_rate 0.001"):
        make_trainer(tmp_path, Schedule(steps=STEPS, pictures=2, learning_rate=1, warmup=2))
    (tmp_path / "options.json").write_text("{")
    with pytest.raises(TrainingError, match="options.json: is damaged"):
        make_trainer(tmp_path)


def test_damaged_state_is_refused(tmp_path):
    make_trainer(tmp_path).train(2, lambda line: None)
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="state.pt: cannot be read"):
        make_trainer(tmp_path)


def test_learning_rate_rises_and_falls():
    schedule = Schedule(steps=10, pictures=1, learning_rate=1.0, warmup=4)
    rates = [learning_rate(schedule, step) for step in range(10)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert all(a > b for a, b in zip(rates[4:], rates[5:], strict=False))
    assert 0 < rates[9] < 0.1
