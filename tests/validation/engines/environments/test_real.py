"""The environments themselves, where they are set up."""

import pytest
import torch

from converters.conversion import write_artifact
from converters.torchscript.options import TorchScriptOptions
from tests.support.requirements import lack
from validation.artifacts.artifact import load_artifact
from validation.engines import engine_for
from validation.engines.environments import ARM64, RUNTIME
from validation.latency.running.plan import QUICK
from validation.latency.targets.environments import EmulatedTarget

pytestmark = pytest.mark.slow


@pytest.fixture(params=[ARM64, RUNTIME], ids=lambda environment: environment.name)
def environment(request):
    return set_up_here(request.param)


def set_up_here(environment):
    """Return an environment, or end the test if it is not set up."""
    missing = environment.missing()
    if missing is not None:
        lack(environment.name, missing)
    return environment


@pytest.fixture(params=["none", "int8"])
def artifact(request, tiny_source, tiny_model, tmp_path):
    return load_artifact(write_artifact(tiny_source, TorchScriptOptions(request.param), tmp_path))


def test_answers_are_near_those_of_this_torch(environment, artifact, tiny_source):
    frame, case = tiny_source.goldens.encoder_inputs()[0][0], tiny_source.goldens.cases[0]
    engine, here = engine_for(artifact, environment.name), engine_for(artifact)
    try:
        assert f"torch {environment.torch_version} {environment.label}" in engine.name
        image_embeddings = engine.encode(frame)
        masks, scores = engine.decode(image_embeddings, case.prompt)
    finally:
        engine.close()
    expected = here.encode(frame)
    # int8 rounds activations: a difference in the last place before can be a whole step after.
    tolerance = 0.1 if artifact.scheme == "int8" else 1e-4
    assert (image_embeddings - expected).norm() < tolerance * expected.norm()
    wanted_masks, wanted_scores = here.decode(image_embeddings, case.prompt)
    assert (masks - wanted_masks).norm() < tolerance * wanted_masks.norm()
    assert torch.allclose(scores, wanted_scores, atol=tolerance)


def test_counts_differ_little(tiny_artifact):
    set_up_here(ARM64)
    artifact = load_artifact(tiny_artifact)
    first, second = EmulatedTarget().measure([artifact] * 2, QUICK, None).measurements
    for stage, counts in first.counts.items():
        assert counts.first > counts.median > 1_000_000
        assert counts.spread < 0.005
        assert abs(second.counts[stage].median / counts.median - 1) < 0.001
    assert len(first.counts) == 2
