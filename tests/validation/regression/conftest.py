"""A baseline of the tiny model, and fake timings.

Real child processes would take seconds to start, and have tests of their own.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Checked:
    """The exit status of a command, and the JSON document that it printed. The methods are about its only artifact."""

    status: int
    document: dict

    @property
    def lines(self) -> dict[str, dict]:
        """Quantity → its line."""
        (lines,) = self.document["artifacts"].values()
        return {line["quantity"]: line for line in lines}

    @property
    def counts(self) -> dict[str, int]:
        """Verdict → number of lines."""
        return Counter(line["verdict"] for line in self.lines.values())

    def verdict(self, quantity: str) -> str:
        return self.lines[quantity]["verdict"]

    def reason(self, quantity: str) -> str | None:
        return self.lines[quantity]["reason"]

    def values(self, quantity: str) -> tuple:
        """The value in the baseline, the value now, the change, and the limit."""
        line = self.lines[quantity]
        return tuple(line[key] for key in ("baseline", "now", "change", "limit"))


@pytest.fixture
def checked(validate) -> Callable[..., Checked]:
    """Run ``validate regress`` or ``validate ingest`` with ``--json -``."""

    def run(*arguments):
        status, out, err = validate(*arguments, "--json", "-")
        assert err == ""
        return Checked(status, json.loads(out))

    return run
