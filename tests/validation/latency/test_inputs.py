"""Only finite outputs are timed, because the time of NaN means nothing."""

import pytest
import torch

from reference.common.errors import ArtifactError
from validation.artifacts.artifact import load_artifact
from validation.latency.running.inputs import Inputs
from validation.latency.running.plan import IMAGE_ENCODER, MASK_DECODER


def answer_nan(output):
    return torch.full_like(output, float("nan"))


def answer_infinity(output):
    return torch.where(output == output.max(), float("inf"), output)


def run_both(artifact, engine) -> Inputs:
    inputs = Inputs(load_artifact(artifact), None)
    stages = inputs.stages(engine)
    for stage in (IMAGE_ENCODER, MASK_DECODER):
        stages[stage]()
    return inputs


def test_finite_answers_are_timed(tiny_artifact, tiny_engine):
    inputs = run_both(tiny_artifact, tiny_engine)
    inputs.require_finite(IMAGE_ENCODER)
    inputs.require_finite(MASK_DECODER)


@pytest.mark.parametrize("spoil", [answer_nan, answer_infinity])
def test_embeddings_that_are_not_finite_are_refused(tiny_artifact, tiny_engine, monkeypatch, spoil):
    encode = tiny_engine.encode
    monkeypatch.setattr(tiny_engine, "encode", lambda frame: spoil(encode(frame)))
    with pytest.raises(ArtifactError, match="image encoder: the output has NaN or infinity"):
        run_both(tiny_artifact, tiny_engine).require_finite(IMAGE_ENCODER)


@pytest.mark.parametrize("spoil", [answer_nan, answer_infinity])
@pytest.mark.parametrize("output", [0, 1])  # masks; scores
def test_answers_that_are_not_finite_are_refused(
    tiny_artifact, tiny_engine, monkeypatch, spoil, output
):
    decode = tiny_engine.decode

    def broken(*inputs):
        outputs = list(decode(*inputs))
        outputs[output] = spoil(outputs[output])
        return tuple(outputs)

    monkeypatch.setattr(tiny_engine, "decode", broken)
    inputs = run_both(tiny_artifact, tiny_engine)
    inputs.require_finite(IMAGE_ENCODER)
    with pytest.raises(ArtifactError, match="mask decoder: the output has NaN or infinity"):
        inputs.require_finite(MASK_DECODER)
