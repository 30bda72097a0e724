"""A module is made to fit float16: its range is measured, and what overflows is scaled or stays float32."""

import math

import pytest
import torch
from coremltools.converters.mil.mil import types
from torch import nn

from converters.coreml.export import CoreMLExporter
from converters.coreml.float16_range import measure_ranges
from converters.coreml.float16_repair import choose_exponents, find_overflows, scaled
from converters.coreml.format import COREML
from converters.coreml.options import CoreMLOptions
from converters.coreml.residual_streams import streams_of
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.io_spec import image_encoder_spec
from reference.photos.preprocessing import photo_to_frame
from tests.support.calibration import calibration_of
from validation.evidence.numbers.wide_streams import with_one_wide_channel, with_wide_streams

SIZES = (1e2, 1e3, 1e4, 1e5)
MAKERS = (with_one_wide_channel, with_wide_streams)


@pytest.fixture(scope="module")
def frame(tiny_sam, china):
    frame = photo_to_frame(china, tiny_sam.frame_size, tiny_sam.mean_color)
    return torch.from_numpy(frame)


def fitted(module, inputs):
    """Return the scaled module, and what still overflows."""
    exponents = choose_exponents(module, measure_ranges(module, inputs))
    module = scaled(module, exponents)
    return module, exponents, find_overflows(measure_ranges(module, inputs))


def test_largest_magnitudes_are_by_module_and_operator():
    module = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    nn.init.constant_(module[0].weight, -3.0)
    nn.init.zeros_(module[0].bias)
    ranges = measure_ranges(module, [(torch.ones(1, 1),), (torch.full((1, 1), -2.0),)])
    assert ranges.inputs == (2.0,)
    assert ranges.results[module[0], "addmm"] == 6.0
    assert ranges.results[module[1], "relu"] == 6.0
    assert ranges.largest([module[1]]) == 6.0
    assert ranges.largest([nn.ReLU()]) == 0.0


def test_squares_of_a_layer_normalization_are_measured():
    """The squares are no result, but a runtime may compute them in float16."""
    norm = nn.LayerNorm(4)
    ranges = measure_ranges(norm, [(torch.tensor([[0.0, 0.0, 0.0, 2000.0]]),)])
    assert ranges.squares[norm] == pytest.approx(1500.0**2)
    assert find_overflows(ranges).norms == {norm}


def test_nan_counts_as_infinite_whatever_follows():
    module = nn.ReLU()
    ranges = measure_ranges(module, [(torch.tensor([math.nan]),), (torch.tensor([1.0]),)])
    assert ranges.results[module, "relu"] == math.inf
    assert choose_exponents(module, ranges) == {}


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_scaled_streams_leave_the_answers_as_they_are(part, tiny_sam, frame):
    """A power of two changes no digit, so the answers are equal to the last bit."""
    module = (
        ChannelsFirstImageEncoder(tiny_sam)
        if part == "encoder"
        else ChannelsFirstMaskDecoder(tiny_sam)
    )
    slots = (torch.rand(1, 4, 2) * 200, torch.tensor([[1.0, 0.0, -2.0, -2.0]]))
    size = tiny_sam.variant.mask_size
    mask = torch.randn(1, 1, size, size), torch.ones(1)
    inputs = (frame,) if part == "encoder" else (tiny_sam.encode_image(frame), *slots, *mask)
    exponents = {stream.name: -number for number, stream in enumerate(streams_of(module), start=1)}
    assert len(exponents) >= 3
    if part == "decoder":
        exponents |= {"transformer.layers.0.norm2": -4, "transformer.layers.0.norm4": -3}
    with torch.no_grad():
        before = module.eval()(*inputs)
        after = scaled(module, exponents)(*inputs)
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("size", SIZES)
def test_wide_streams_are_brought_into_range(make, size, tiny_sam, frame):
    sam = make(tiny_sam, size)
    module, _, overflows = fitted(ChannelsFirstImageEncoder(sam).eval(), [(frame,)])
    between_streams = {  # activations, which cannot be scaled
        layer for stage in module.encoder.stages[1:] for layer in stage.downsample.modules()
    }
    assert {layer for layer, _ in overflows.results} <= between_streams
    assert not overflows.results or make is with_one_wide_channel
    assert not overflows.inputs
    assert overflows.headroom >= 2
    with torch.no_grad():
        expected = sam.encode_image(frame)
        largest = expected.abs().max().item()
        torch.testing.assert_close(module(frame), expected, rtol=0, atol=1e-5 * largest)


def test_streams_in_range_are_left_alone(tiny_sam, frame):
    module, exponents, overflows = fitted(ChannelsFirstImageEncoder(tiny_sam).eval(), [(frame,)])
    assert exponents == {}
    assert not overflows.norms


def test_an_epsilon_that_would_vanish_keeps_its_normalization_float32(tiny_sam, frame):
    """Windows are padded with tokens of zeros. Their variance is zero, so they are divided by the epsilon alone."""
    module, exponents, overflows = fitted(
        ChannelsFirstImageEncoder(with_one_wide_channel(tiny_sam, 1e4)).eval(), [(frame,)]
    )
    norms = {norm for stream in streams_of(module) for norm in stream.norms}
    for norm in norms - overflows.norms:
        assert torch.tensor(norm.eps).half() > 0
    assert module.encoder.stages[1].blocks[0].attn.norm in overflows.norms


def float32_operations(model):
    """Return the operations, other than constants and casts, that give float32, by kind."""
    operations = model._mil_program.functions["main"].operations
    return [
        op.op_type
        for op in operations
        if op.op_type not in ("const", "cast")
        and types.builtin_to_string(op.outputs[0].dtype) == "fp32"
    ]


def convert(module, tiny_sam, frame, scheme="fp16"):
    spec = image_encoder_spec(tiny_sam.variant)
    calibration = calibration_of(module.eval(), [(frame,)])
    options = CoreMLOptions(scheme)
    exporter = CoreMLExporter(module, spec, (frame,), calibration)
    return exporter.convert(options, COREML.weight_formats(module, options))


@pytest.mark.parametrize("scheme", ["fp16", "int8", "lut4", "w8a8"])
def test_a_wide_activation_stays_float32_with_what_takes_it(scheme, tiny_sam, frame):
    """A GELU cannot be scaled. So its input, its output and the layer that takes the output stay float32."""
    module = ChannelsFirstImageEncoder(tiny_sam)
    with torch.no_grad():
        module.encoder.patch_embed.conv1.weight *= 1e6
        module.encoder.patch_embed.conv2.weight /= 1e6
    converted = convert(module, tiny_sam, frame, scheme)
    assert converted.float16.float32 == (
        "encoder.patch_embed.act: gelu",
        "encoder.patch_embed.conv1: conv",
        "encoder.patch_embed.conv2: conv",
    )
    assert sorted(float32_operations(converted.model)) == ["conv", "conv", "gelu"]


def test_a_wide_weight_keeps_its_layer_float32(tiny_sam, frame):
    """The largest float16, 65504, limits constants as well, even if the layer's results are small."""
    module = ChannelsFirstImageEncoder(tiny_sam)
    with torch.no_grad():
        module.encoder.patch_embed.conv1.weight[:, :] = 0
        module.encoder.patch_embed.conv1.weight[0, :, 0, 0] = torch.tensor([1e5, -1e5, 0])
        module.encoder.patch_embed.conv1.weight[0, 1] = -module.encoder.patch_embed.conv1.weight[
            0, 0
        ]
        module.pixel_mean[:] = 0
        module.pixel_std[:] = 1
    gray = frame.mean(1, keepdim=True).expand_as(frame).contiguous()
    assert "encoder.patch_embed.conv1: conv" in convert(module, tiny_sam, gray).float16.float32


class Scores(nn.Module):
    """A module whose attention logits exceed float16, although its inputs and outputs do not."""

    def __init__(self):
        super().__init__()
        self.q, self.k = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, image):
        q, k = self.q(image).flatten(2), self.k(image).flatten(2)
        return torch.softmax(q @ k.transpose(1, 2), dim=-1)


def test_wide_logits_stay_float32_and_nothing_else(tiny_sam, frame):
    kept = convert(Scores(), tiny_sam, frame).float16.float32
    assert kept == (": matmul", ": softmax")


def test_float32_packages_have_nothing_to_fit(tiny_sam, frame):
    assert convert(ChannelsFirstImageEncoder(tiny_sam), tiny_sam, frame, "none").float16 is None
