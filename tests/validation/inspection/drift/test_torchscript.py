"""The drift of a real .ptl file is almost zero, and that of a damaged one names the damaged module."""

import copy
import dataclasses

import pytest
import torch

from converters.conversion import Source, write_artifact
from converters.torchscript.options import TorchScriptOptions
from reference.common.errors import ArtifactError
from tests.support.tiny_int8 import write_tiny_int8
from validation.artifacts.artifact import load_artifact
from validation.inspection.drift import measure_drift, worst

ROUNDING = 1e-5  # relative: what float32 kernels differ by


def damaged(source, path, change) -> Source:
    """Return a source in which the weights of one module were changed."""
    sam = copy.deepcopy(source.sam)
    with torch.no_grad():
        change(sam.get_submodule(path).weight)
    return dataclasses.replace(source, sam=sam)


def scale(weight):
    weight *= 1.5


def poison(weight):
    weight.view(-1)[0] = float("nan")


@pytest.mark.parametrize("version", [5, 8])
def test_a_sound_artifact_has_next_to_no_drift(
    tiny_source, tiny_model, question, tmp_path, version
):
    folder = write_artifact(tiny_source, TorchScriptOptions("none", version), tmp_path)
    drifts = measure_drift(load_artifact(folder), tiny_source.sam, *question)
    assert max(drift.own.relative_l2 for drift in drifts) < ROUNDING
    assert max(drift.total.relative_l2 for drift in drifts) < ROUNDING
    names = {(drift.component, drift.name) for drift in drifts}
    assert ("image_encoder", "encoder.stages.1.blocks.0.attn.qkv") in names
    assert ("mask_decoder", "transformer.layers.1.cross_attn_image_to_token.k_proj") in names
    assert {drift.name for drift in drifts[-2:]} == {"low_res_masks", "iou_predictions"}


@pytest.mark.parametrize(
    ("path", "component"),
    [
        ("image_encoder.stages.2.blocks.0.mlp.fc1", "image_encoder"),
        ("mask_decoder.transformer.layers.0.cross_attn_image_to_token.k_proj", "mask_decoder"),
    ],
)
def test_a_changed_module_is_the_worst_and_the_rest_inherits(
    tiny_source, tiny_model, tiny_folders, question, path, component
):
    # The artifact is sound and the reference is not: the difference is the same, without another
    # conversion.
    other = damaged(tiny_source, path, scale)
    drifts = measure_drift(load_artifact(tiny_folders["torchscript"]), other.sam, *question)
    first, second = worst(drifts, 2)
    assert (first.component, first.source) == (component, path)
    assert first.own.relative_l2 > 0.1
    assert second.own.relative_l2 < ROUNDING
    assert drifts[-1].component == "mask_decoder"
    last = [drift for drift in drifts if drift.component == component][-1]
    assert last.total.relative_l2 > 100 * ROUNDING


def test_a_module_that_gives_nan_comes_first(tiny_source, tiny_model, tiny_folders, question):
    other = damaged(tiny_source, "mask_decoder.output_upscaling.0", poison)
    drifts = measure_drift(load_artifact(tiny_folders["torchscript"]), other.sam, *question)
    first = worst(drifts, 1)[0]
    assert first.source == "mask_decoder.output_upscaling.0"
    assert first.own.not_finite > 0


def test_int8_drifts_where_weights_are_stored_in_int8(tiny_source, question, tmp_path):
    folder = write_tiny_int8(tiny_source, tmp_path)
    drifts = measure_drift(load_artifact(folder), tiny_source.sam, *question)
    sam = tiny_source.sam
    assert all(
        drift.kind.endswith(("Linear", "Conv2d", "Transpose2d")) for drift in worst(drifts, 5)
    )
    assert 1e-3 < worst(drifts, 1)[0].own.relative_l2 < 0.1
    norms = [drift for drift in drifts if drift.kind in ("LayerNorm", "ChannelLayerNorm")]
    assert max(norm.own.relative_l2 for norm in norms) < ROUNDING
    for drift in drifts:
        assert drift.source in dict(sam.named_modules())


def test_a_file_that_cannot_be_opened_is_an_error(
    tiny_artifact, tiny_source, question, accept_files
):
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(b"not TorchScript" * 100)
    accept_files(tiny_artifact)
    with pytest.raises(ArtifactError, match="mask_decoder.ptl: cannot be run .*convert again"):
        measure_drift(load_artifact(tiny_artifact), tiny_source.sam, *question)
