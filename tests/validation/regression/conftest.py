"""A baseline of the tiny model, and fake timings.

Real child processes would take seconds to start, and have tests of their own.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reference.weights.checkpoint import resolve_checkpoint
from tests.support.observations import open_here, timed
from tests.support.tiny_variant import TINY
from validation.artifacts.artifact import load_artifact
from validation.regression import observation
from validation.regression.baseline import Baseline, key_of, write_baseline


@pytest.fixture(autouse=True)
def timings(monkeypatch) -> Callable[..., None]:
    """Make every artifact take a multiple of the calibration time, be disturbed, or fail."""

    def set_timings(**changes):
        monkeypatch.setattr(observation, "measure_latency", timed(**changes))

    monkeypatch.setattr(observation, "open_isolated", open_here)
    set_timings()
    return set_timings


@pytest.fixture(scope="session")
def baseline_text(tiny_folders, tmp_path_factory) -> str:
    """The baseline that ``--update`` writes for the tiny model's TorchScript artifact."""
    path = tmp_path_factory.mktemp("baseline") / "baseline.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observation, "open_isolated", open_here)
        patch.setattr(observation, "measure_latency", timed())
        artifact = load_artifact(tiny_folders["torchscript"])
        record = observation.observe(artifact).record
    write_baseline(path, Baseline({key_of(artifact): record}))
    return path.read_text()


@pytest.fixture
def baseline(baseline_text, tmp_path) -> Path:
    """A baseline of ``tiny_artifact`` that the test may change."""
    path = tmp_path / "baseline.json"
    path.write_text(baseline_text)
    return path


@pytest.fixture
def other_weights(tmp_path) -> Path:
    """A checkpoint file of the tiny model with other weights than the seeded ones."""
    generator = torch.Generator().manual_seed(1)
    weights = {
        name: tensor + 0.1 * tensor.abs().mean() * torch.randn(tensor.shape, generator=generator)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in resolve_checkpoint("seeded", TINY).state_dict.items()
    }
    path = tmp_path / "other.pt"
    torch.save(weights, path)
    return path


@pytest.fixture
def rows() -> Callable[[str], dict[str, str]]:
    """Return quantity → the rest of its row in a table, including verdict and reason."""

    def split(table):
        found = {}
        for line in table.splitlines():
            with contextlib.suppress(ValueError):
                quantity, rest = line.strip().split("  ", 1)
                found[quantity] = " ".join(rest.split())
        return found

    return split
