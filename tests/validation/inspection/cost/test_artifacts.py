"""The costs of real artifacts are the same in both formats, and the same as other tools count."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from converters.conversion import write_artifact
from converters.coreml.export import CoreMLExporter
from converters.coreml.format import COREML
from converters.coreml.options import CoreMLOptions
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.export_modules.channels_last.image_encoder import ChannelsLastImageEncoder
from converters.export_modules.channels_last.mask_decoder import ChannelsLastMaskDecoder
from converters.io_spec import mask_decoder_spec
from converters.torchscript.options import TorchScriptOptions
from tests.support.calibration import calibration_of
from tests.support.tiny_int8 import write_tiny_int8
from validation.artifacts.artifact import load_artifact
from validation.inspection.cost import measure_cost
from validation.inspection.cost.core_ml import component_cost
from validation.inspection.cost.sources import ReferenceSources

# coremltools computes the smallest tables of attention biases before it writes the package. The decoders of the two
# formats multiply in another order.
REWRITES = {"image_encoder": 0.01, "mask_decoder": 0.1}  # of the multiply-adds
MODULES = {"image_encoder": ChannelsLastImageEncoder, "mask_decoder": ChannelsLastMaskDecoder}


@pytest.fixture
def costs(tiny_model, tiny_folders):
    return {
        format_: measure_cost(load_artifact(folder)) for format_, folder in tiny_folders.items()
    }


def inputs_of(source, component):
    examples = {
        "image_encoder": source.goldens.encoder_inputs,
        "mask_decoder": source.goldens.decoder_inputs,
    }
    return examples[component]()[0]


def test_both_formats_cost_nearly_the_same(costs, tiny_sam):
    known = dict(tiny_sam.named_modules())
    for script, package in zip(
        costs["torchscript"].components, costs["coreml"].components, strict=True
    ):
        assert script.name == package.name
        tolerance = REWRITES[script.name]
        assert script.multiply_adds == pytest.approx(package.multiply_adds, rel=tolerance)
        assert package.parameters.count == pytest.approx(script.parameters.count, rel=0.02)
        assert {layer.source for cost in (script, package) for layer in cost.layers} <= known.keys()


def test_layers_of_both_formats_cost_the_same(costs):
    """The products inside attention have no layer, so they are left out."""
    layers = [
        {
            layer.source: layer.multiply_adds
            for layer in costs[format_].components[0].layers
            if not layer.source.endswith(".attn")
        }
        for format_ in ("torchscript", "coreml")
    ]
    in_both = layers[0].keys() & layers[1].keys()
    assert len(in_both) >= 5
    assert all(layers[0][source] == layers[1][source] for source in in_both)


def test_torchs_own_counter_counts_the_same(costs, tiny_source):
    for cost in costs["torchscript"].components:
        module = MODULES[cost.name](tiny_source.sam).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(*inputs_of(tiny_source, cost.name))
        assert 2 * cost.multiply_adds == counter.get_total_flops()


def test_parameters_are_the_modules_own(costs, tiny_source):
    for cost in costs["torchscript"].components:
        tensors = MODULES[cost.name](tiny_source.sam).state_dict().values()
        storages = {tensor.data_ptr(): tensor.numel() for tensor in tensors}
        assert cost.parameters.count == sum(storages.values())
        assert cost.parameters.stored_bytes == 4 * cost.parameters.count


def test_the_image_encoder_of_core_ml_computes_in_the_neural_engines_layout(costs):
    encoder, _ = costs["coreml"].components
    risks = {risk.rule.name for risk in encoder.risks.risks}
    assert not {"layout", "rank", "axis size"} & risks


def test_stored_bytes_are_the_files(costs):
    for cost in costs.values():
        stored = sum(component.parameters.stored_bytes for component in cost.components)
        assert stored < cost.artifact.size_bytes


@pytest.mark.parametrize(
    ("scheme", "bits"),
    [
        ("fp16", 16),
        ("lut4", 4),
        *(
            pytest.param(scheme, bits, marks=pytest.mark.slow)
            for scheme, bits in (("int8", 8), ("int4", 4), ("lut8", 8), ("lut6", 6), ("w8a8", 8))
        ),
    ],
)
def test_stored_bytes_of_packages_are_their_weight_files(tiny_source, scheme, bits):
    variant = tiny_source.sam.variant
    spec = mask_decoder_spec(variant, tiny_source.prompt_slots)
    module = ChannelsFirstMaskDecoder(tiny_source.sam).eval()
    inputs = inputs_of(tiny_source, "mask_decoder")
    exporter = CoreMLExporter(module, spec, inputs, calibration_of(module, [inputs]))
    options = CoreMLOptions(scheme)
    model = exporter.convert(options, COREML.weight_formats(module, options)).model
    cost = component_cost(model, spec, ReferenceSources(spec.name, module))
    (file,) = Path(model.weights_dir).rglob("*.bin")
    size = file.stat().st_size
    # A record has 64 bytes of its own, and is padded to a multiple of 64; small ones are elsewhere.
    records = len(list(model._mil_program.functions["main"].operations))
    assert cost.parameters.stored_bytes - 64 * records < size
    assert size < cost.parameters.stored_bytes + 3 * 128 * records
    assert cost.parameters.computed_bytes >= 2 * cost.parameters.count
    assert cost.parameters.stored_bytes >= cost.parameters.count * bits / 8


@pytest.mark.parametrize("scheme", ["fp16", "int8"])
def test_stored_bytes_of_scripts_are_less_than_computed(tiny_source, tmp_path, scheme):
    if scheme == "int8":
        folder = write_tiny_int8(tiny_source, tmp_path)
    else:
        folder = write_artifact(tiny_source, TorchScriptOptions(scheme), tmp_path)
    artifact = load_artifact(folder)
    for cost in measure_cost(artifact).components:
        parameters = cost.parameters
        file = artifact.components[cost.name]
        assert parameters.stored_bytes < parameters.computed_bytes
        assert parameters.stored_bytes < file.stat().st_size
        assert cost.layers[0].source
