"""The drift of a real package is almost zero, and that of a damaged one names the damaged operation."""

import copy

import numpy as np
import pytest
import torch

from converters.conversion import write_artifact
from converters.coreml.options import CoreMLOptions
from reference.common.errors import ArtifactError
from validation.artifacts.artifact import load_artifact
from validation.documents.verdicts import Unavailable
from validation.inspection.drift import measure_drift, worst

ROUNDING = 1e-5  # relative: what float32 kernels differ by
FLOAT16 = 1e-2  # relative: more than float16 costs a single operation
PACKAGES = {
    "image_encoder": "MobileSAMTinyImageEncoder.mlpackage",
    "mask_decoder": "MobileSAMTinyMaskDecoder.mlpackage",
}


@pytest.fixture
def damage(tiny_package, accept_files):
    """Overwrite the float32 weight of a module, in the weight file of a package."""

    def overwrite(component, weight, change):
        (file,) = (tiny_package / PACKAGES[component]).rglob("weight.bin")
        data = file.read_bytes()
        before = weight.detach().numpy().astype("<f4").tobytes()
        assert data.count(before) == 1
        after = change(weight.detach().numpy().copy()).astype("<f4").tobytes()
        file.write_bytes(data.replace(before, after))
        accept_files(tiny_package)
        return load_artifact(tiny_package)

    return overwrite


def poisoned(weight):
    weight.reshape(-1)[7] = np.nan
    return weight


def test_a_sound_artifact_has_next_to_no_drift(tiny_package, tiny_source, question):
    drifts = measure_drift(load_artifact(tiny_package), tiny_source.sam, *question)
    assert max(drift.own.relative_l2 for drift in drifts) < ROUNDING
    assert max(drift.total.relative_l2 for drift in drifts) < ROUNDING
    kinds = {drift.kind for drift in drifts}
    assert {"conv", "linear", "matmul", "softmax", "layer_norm", "gelu"} <= kinds
    assert not {"reshape", "transpose", "cast", "const"} & kinds
    known = dict(tiny_source.sam.named_modules())
    sources = {drift.source for drift in drifts}
    assert sources <= known.keys()
    assert {
        "image_encoder.stages.1.blocks.0.attn.qkv",
        "image_encoder.stages.1.blocks.0.local_conv",
        "prompt_encoder.pe_layer",
        "mask_decoder.transformer.layers.1.cross_attn_image_to_token.k_proj",
        "mask_decoder.output_hypernetworks_mlps.3.layers.2",
    } <= sources
    assert sum(drift.source == "" for drift in drifts) < len(drifts) / 5


@pytest.mark.parametrize(
    ("component", "path", "kind"),
    [
        ("image_encoder", "image_encoder.stages.2.blocks.0.mlp.fc1", "conv"),
        (
            "mask_decoder",
            "mask_decoder.transformer.layers.0.cross_attn_image_to_token.k_proj",
            "linear",
        ),
    ],
)
def test_a_damaged_weight_is_the_worst_and_the_rest_inherits(
    damage, tiny_source, question, component, path, kind
):
    weight = tiny_source.sam.get_submodule(path).weight
    artifact = damage(component, weight, lambda values: values * 1.5)
    drifts = measure_drift(artifact, tiny_source.sam, *question)
    first, second = worst(drifts, 2)
    assert (first.component, first.source, first.kind) == (component, path, kind)
    assert first.own.relative_l2 > 0.1
    assert second.own.relative_l2 < ROUNDING
    at = drifts.index(first)
    last = [drift for drift in drifts if drift.component == component][-1]
    assert last.total.relative_l2 > 10 * ROUNDING
    assert max(drift.total.relative_l2 for drift in drifts[:at]) < ROUNDING


def test_nan_comes_first(damage, tiny_source, question):
    path = "mask_decoder.transformer.layers.1.mlp.lin2"
    artifact = damage("mask_decoder", tiny_source.sam.get_submodule(path).weight, poisoned)
    drifts = measure_drift(artifact, tiny_source.sam, *question)
    first, second = worst(drifts, 2)
    assert (first.source, first.own.not_finite > 0) == (path, True)
    assert second.own.relative_l2 < ROUNDING
    assert drifts[-1].total.not_finite > 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["int8", "w8a8"])
def test_quantized_layers_are_the_worst(tiny_source, tiny_model, question, tmp_path, scheme):
    folder = write_artifact(tiny_source, CoreMLOptions(scheme), tmp_path)
    drifts = measure_drift(load_artifact(folder), tiny_source.sam, *question)
    assert {drift.kind for drift in worst(drifts, 5)} <= {"linear", "conv", "conv_transpose"}
    others = [drift for drift in drifts if drift.kind in ("softmax", "layer_norm", "gelu")]
    assert 0 < max(drift.own.relative_l2 for drift in others) < FLOAT16


def test_another_structure_is_not_measured(tiny_package, tiny_source, question):
    other = copy.deepcopy(tiny_source.sam)
    other.image_encoder.stages[1].blocks[0].mlp.act = torch.nn.ReLU()
    drifts = measure_drift(load_artifact(tiny_package), other, *question)
    assert isinstance(drifts, Unavailable)
    assert "has gelu of" in drifts.reason
    assert "has relu of" in drifts.reason


def test_a_package_that_cannot_be_opened_is_an_error(
    tiny_package, tiny_source, question, accept_files
):
    (weights,) = (tiny_package / PACKAGES["mask_decoder"]).rglob("weight.bin")
    weights.write_bytes(weights.read_bytes()[:-1000])
    accept_files(tiny_package)
    with pytest.raises(ArtifactError, match="convert the artifact again"):
        measure_drift(load_artifact(tiny_package), tiny_source.sam, *question)
