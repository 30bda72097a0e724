"""Core ML packages have the right inputs, operations and weights. No model is run, so no Mac is needed."""

import functools
import json
from pathlib import Path

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil.frontend.milproto.load import load as load_program
from coremltools.converters.mil.mil import types

from converters.coreml.activation_quantization import quantize_activations
from converters.coreml.export import CoreMLExporter
from converters.coreml.format import COREML
from converters.coreml.options import CoreMLOptions
from converters.coreml.package_files import PackageMetadata
from converters.coreml.schemes import SCHEMES
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.io_spec import image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import fill_slots
from converters.quantization.weight_matrix import LARGE_WEIGHT
from reference.common.errors import ConversionError
from reference.photos.preprocessing import photo_to_frame
from tests.support.calibration import calibration_of

METADATA = PackageMetadata("the author", "Apache-2.0", "1.2.3", {"checkpoint_sha256": "abc"})
SLOTS = 4
STORAGE_OPS = {
    "none": None,
    "fp16": None,
    "int8": "constexpr_affine_dequantize",
    "w8a8": "constexpr_affine_dequantize",
    "int4": "constexpr_blockwise_shift_scale",
    "lut8": "constexpr_lut_to_dense",
    "lut6": "constexpr_lut_to_dense",
    "lut4": "constexpr_lut_to_dense",
}


@pytest.fixture(scope="module")
def encoder(tiny_sam, china):
    frame = photo_to_frame(china, tiny_sam.frame_size, tiny_sam.mean_color)
    spec = image_encoder_spec(tiny_sam.variant)
    return ChannelsFirstImageEncoder(tiny_sam).eval(), spec, [(torch.from_numpy(frame),)]


@pytest.fixture(scope="module")
def decoder(tiny_sam, encoder):
    embeddings = tiny_sam.encode_image(encoder[2][0][0])
    points = torch.tensor([[[100.0, 80.0]]]), torch.ones(1, 1)
    prompt = fill_slots(SLOTS, tiny_sam.variant.mask_size, points, None, None)
    inputs = embeddings, *prompt.tensors
    return (
        ChannelsFirstMaskDecoder(tiny_sam).eval(),
        mask_decoder_spec(tiny_sam.variant, SLOTS),
        [inputs],
    )


def export(part, path, scheme="fp16", target=None):
    module, spec, inputs = part
    exporter = CoreMLExporter(module, spec, inputs[0], calibration_of(module, inputs))
    options = CoreMLOptions(scheme, target)
    exporter.export(options, COREML.weight_formats(module, options), METADATA, path)
    return ct.models.MLModel(str(path), skip_model_load=True)


@pytest.fixture(scope="module")
def exported(encoder, decoder, tmp_path_factory):
    """Return the package of a part and a scheme. It is exported once, and tests must not change it."""
    parts = {"encoder": encoder, "decoder": decoder}

    @functools.cache
    def export_once(part, scheme="fp16"):
        return export(parts[part], tmp_path_factory.mktemp(part) / "model.mlpackage", scheme)

    return export_once


def operations(model):
    spec = model.get_spec()
    program = load_program(spec, spec.specificationVersion, model.weights_dir)
    return program.functions["main"].operations


def size(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def weights(model):
    """Return the operation that produces each large kernel of a linear layer or a convolution."""
    return kernels_of(operations(model))


def kernels_of(ops):
    return [
        op.weight.op
        for op in ops
        if op.op_type in ("conv", "conv_transpose", "linear")
        and np.prod(op.weight.shape) > LARGE_WEIGHT
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_every_large_weight_is_stored_as_the_scheme_says(scheme, part, exported):
    kernels = weights(exported(part, scheme))
    assert len(kernels) == (10 if part == "encoder" else 2)
    expected = STORAGE_OPS[scheme]
    if expected is None:
        dtype = np.float32 if scheme == "none" else np.float16
        assert {kernel.outputs[0].val.dtype for kernel in kernels} == {np.dtype(dtype)}
    else:
        assert {kernel.op_type for kernel in kernels} == {expected}


def test_int8_has_a_scale_per_output_channel(exported):
    for kernel in weights(exported("encoder", "int8")):
        assert kernel.quantized_data.val.dtype == np.int8
        axis = int(kernel.axis.val)
        assert kernel.scale.val.shape == (kernel.quantized_data.val.shape[axis],)


def test_palettes_have_a_scale_per_output_channel_from_ios18_on(decoder, tmp_path):
    for kernel in weights(export(decoder, tmp_path / "model.mlpackage", "lut4", "iOS18")):
        assert kernel.op_type == "constexpr_blockwise_shift_scale"
        table = kernel.data.op
        assert table.op_type == "constexpr_lut_to_dense"
        assert table.lut.val.size == 16
        assert kernel.scale.val.size == max(kernel.scale.val.shape) > 1


@pytest.mark.parametrize(("scheme", "entries"), [("lut8", 256), ("lut6", 64), ("lut4", 16)])
def test_palettes_have_the_size_that_their_name_says(scheme, entries, exported):
    kernels = weights(exported("encoder", scheme))
    assert {kernel.lut.val.shape[-1] for kernel in kernels} == {entries}


def test_w8a8_quantizes_the_inputs_of_most_layers_of_the_encoder(exported):
    ops = operations(exported("encoder", "w8a8"))
    takers = [op for op in ops if op.op_type == "conv" and np.prod(op.weight.shape) > LARGE_WEIGHT]
    quantized = [op.x.op for op in takers if op.x.op.op_type == "dequantize"]
    assert len(quantized) > len(takers) / 2
    assert {types.builtin_to_string(op.input.dtype) for op in quantized} == {"int8"}
    assert "dequantize" not in {op.op_type for op in operations(exported("decoder", "w8a8"))}


def test_an_input_that_int8_cannot_hold_stays_in_float16():
    """A single large value would leave all others two levels of int8."""
    module = torch.nn.Sequential(torch.nn.Conv2d(64, 256, kernel_size=1)).eval()
    even, spiked = torch.randn(1, 64, 8, 8), torch.randn(1, 64, 8, 8)
    spiked[0, 0, 0, 0] = 100.0
    with torch.no_grad():
        for inputs, keeps in ((even, False), (spiked, True)):
            quantized = quantize_activations(module, [(inputs,)])
            assert torch.equal(quantized(inputs), module(inputs)) == keeps


def test_w8a8_keeps_the_embeddings(encoder):
    module, _, inputs = encoder
    with torch.no_grad():
        exact = module(*inputs[0])
        quantized = quantize_activations(module, inputs)(*inputs[0])
    error = (exact - quantized).pow(2).mean() / exact.pow(2).mean()
    assert 0 < error < 0.005


def test_small_tables_stay_small(exported):
    """Only kernels are large constants, because neither attention biases nor the positional encoding is expanded."""
    for part in ("encoder", "decoder"):
        for scheme in ("fp16", "int8"):
            ops = operations(exported(part, scheme))
            kernels = {id(kernel) for kernel in kernels_of(ops)}
            others = [
                op.outputs[0].val.size
                for op in ops
                if op.op_type == "const"
                and id(op) not in kernels
                and getattr(op.outputs[0].val, "dtype", None) in (np.float16, np.float32)
            ]
            assert max(others) <= LARGE_WEIGHT


def test_package_describes_itself(encoder, decoder, exported):
    for name, part in (("encoder", encoder), ("decoder", decoder)):
        spec = exported(name).get_spec()
        metadata = spec.description.metadata
        assert (metadata.author, metadata.license, metadata.versionString) == (
            "the author",
            "Apache-2.0",
            "1.2.3",
        )
        assert metadata.userDefined["checkpoint_sha256"] == "abc"
        assert metadata.shortDescription
        features = [*spec.description.input, *spec.description.output]
        assert [feature.name for feature in features] == [
            tensor.name for tensor in (*part[1].inputs, *part[1].outputs)
        ]
        assert all(len(feature.shortDescription) > 20 for feature in features)


def test_inputs_are_what_an_app_has(decoder, exported):
    image = exported("encoder").get_spec().description.input[0]
    assert (image.type.imageType.width, image.type.imageType.height) == (256, 256)
    assert image.type.imageType.colorSpace == ct.proto.FeatureTypes_pb2.ImageFeatureType.RGB
    description = exported("decoder").get_spec().description
    for feature, tensor in zip(description.input, decoder[1].inputs, strict=True):
        assert tuple(feature.type.multiArrayType.shape) == tensor.shape
        assert (
            feature.type.multiArrayType.dataType
            == ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
        )


def test_phases_of_points_stay_float32(exported):
    """In float16, coordinates would be off by half a pixel, and the phases computed from them by more."""
    ops = operations(exported("decoder"))
    waves = [op for op in ops if op.op_type in ("sin", "cos")]
    assert len(waves) == 2
    assert {op.outputs[0].dtype.__name__ for op in waves} == {"fp32"}
    matmuls = [op for op in ops if op.op_type == "matmul"]
    assert {op.outputs[0].dtype.__name__ for op in matmuls} == {"fp16"}


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_tensors_have_at_most_four_axes(part, exported):
    ops = operations(exported(part))
    assert max(len(output.shape) for op in ops for output in op.outputs) <= 4


def test_the_encoder_computes_in_the_neural_engines_layout(exported):
    """Four axes, and channels second: no linear layer, and each normalization over the channels is one operation."""
    ops = operations(exported("encoder"))
    assert not [op for op in ops if op.op_type == "linear"]
    norms = [op for op in ops if op.op_type == "layer_norm"]
    assert len(norms) == 10
    assert all(op.axes.val.tolist() == [1] for op in norms)
    assert not {"reduce_mean", "sqrt", "rsqrt", "pow"} & {op.op_type for op in ops}


def test_the_decoder_normalizes_images_over_their_channels(exported):
    norms = [op for op in operations(exported("decoder")) if op.op_type == "layer_norm"]
    axes = {len(op.x.shape): op.axes.val.tolist() for op in norms}
    assert axes == {4: [1], 3: [-1]}


class MovedNormalization(torch.nn.Module):
    """Normalizes over the channels, and then exchanges rows and columns too."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, kernel_size=16, stride=16)
        self.norm = torch.nn.LayerNorm(8)

    def forward(self, image):
        return self.norm(self.conv(image).permute(0, 2, 3, 1)).permute(0, 3, 2, 1)


def test_other_transpositions_around_a_normalization_stay(encoder, tmp_path):
    _, spec, inputs = encoder
    model = export((MovedNormalization().eval(), spec, inputs), tmp_path / "model.mlpackage")
    (norm,) = (op for op in operations(model) if op.op_type == "layer_norm")
    assert norm.axes.val.tolist() == [-1]


def test_two_exports_are_the_same_bytes(decoder, exported, tmp_path):
    first, second = Path(exported("decoder", "int8").package_path), tmp_path / "second.mlpackage"
    export(decoder, second, "int8")
    files = sorted(file for file in first.rglob("*") if file.is_file())
    assert len(files) == 3
    for file in files:
        assert file.read_bytes() == (second / file.relative_to(first)).read_bytes()


@pytest.mark.parametrize("target", ["iOS16", "iOS17", "iOS18"])
def test_deployment_target_decides_the_specification(target, decoder, tmp_path):
    spec = export(decoder, tmp_path / "decoder.mlpackage", "int8", target).get_spec()
    assert spec.specificationVersion == {"iOS16": 7, "iOS17": 8, "iOS18": 9}[target]


@pytest.mark.parametrize(
    ("scheme", "target", "message"),
    [
        ("int5", None, "unknown Core ML scheme 'int5': expected one of none, fp16, int8"),
        ("int8", "iOS15", "unknown deployment target 'iOS15': expected one of iOS16, iOS17, iOS18"),
        ("int4", "iOS17", "iOS17 does not support the scheme 'int4': expected iOS18 or later"),
        ("w8a8", "iOS16", "iOS16 does not support the scheme 'w8a8': expected iOS17 or later"),
    ],
)
def test_impossible_options_are_refused(scheme, target, message):
    with pytest.raises(ConversionError, match=message):
        CoreMLOptions(scheme, target)


class OddWidth(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 100, kernel_size=7)
        self.linear = torch.nn.Conv2d(100, 100, kernel_size=1)

    def forward(self, image):
        return self.linear(self.conv(image))


def test_a_weight_that_the_scheme_cannot_hold_is_refused(encoder, tmp_path):
    _, spec, inputs = encoder
    with pytest.raises(
        ConversionError, match="conv has 3 input channels, which blocks of 32 do not divide"
    ):
        export((OddWidth().eval(), spec, inputs), tmp_path / "model.mlpackage", "int4")
    assert list(tmp_path.iterdir()) == []


class EqualConstants(torch.nn.Module):
    """Layers as they are initialized, with zeros in every bias, or with one number everywhere.

    Of 128 channels, since coremltools makes one constant of equal ones of 100 numbers and more.
    """

    def __init__(self, fill=None):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 128, kernel_size=3, stride=16)
        self.norm = torch.nn.LayerNorm(128)
        self.linears = torch.nn.Sequential(torch.nn.Linear(128, 128), torch.nn.Linear(128, 128))
        for layer in (self.conv, *self.linears):
            torch.nn.init.zeros_(layer.bias)
        if fill is not None:
            for parameter in self.parameters():
                torch.nn.init.constant_(parameter, fill)

    def forward(self, image):
        return self.linears(self.norm(self.conv(image).flatten(2).transpose(1, 2)))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("fill", [None, 0.0, 0.01])
def test_tensors_may_be_equal(scheme, fill, encoder, tmp_path):
    _, spec, inputs = encoder
    export((EqualConstants(fill).eval(), spec, inputs), tmp_path / "model.mlpackage", scheme)


def test_manifest_of_the_package_names_its_items(decoder, tmp_path):
    path = tmp_path / "decoder.mlpackage"
    export(decoder, path)
    manifest = json.loads((path / "Manifest.json").read_text())
    assert manifest["rootModelIdentifier"] in manifest["itemInfoEntries"]
    for item in manifest["itemInfoEntries"].values():
        assert (path / "Data" / item["path"]).exists()
