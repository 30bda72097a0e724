"""Weights are rounded so that layers keep their outputs, in every format and for every kind of layer."""

import pytest
import torch
from torch import nn

from converters.quantization.input_moments import measure_input_moments
from converters.quantization.quantized_weight import replaced_weights
from converters.quantization.rounding import round_weight, round_weights
from converters.quantization.weight_formats import Integers, Palette
from converters.quantization.weight_matrix import WeightMatrix
from reference.common.errors import ConversionError

LAYERS = {
    "linear": lambda: nn.Linear(64, 48),
    "1x1": lambda: nn.Conv2d(64, 48, kernel_size=1),
    "1x1 with a stride": lambda: nn.Conv2d(64, 48, kernel_size=1, stride=2),
    "3x3": lambda: nn.Conv2d(64, 16, kernel_size=3, padding=1, stride=2),
    "depthwise": lambda: nn.Conv2d(64, 64, kernel_size=3, padding=1, groups=64),
    "grouped": lambda: nn.Conv2d(64, 32, kernel_size=3, groups=4),
    "transposed": lambda: nn.ConvTranspose2d(64, 24, kernel_size=2, stride=2),
    "transposed and grouped": lambda: nn.ConvTranspose2d(64, 16, kernel_size=2, stride=2, groups=2),
}
FORMATS = [Integers(8), Integers(4), Palette(8), Palette(6), Palette(4), Palette(4, scaled=True)]


def make(kind, seed=0):
    """Return a layer as the only one of a module, and inputs whose channels go together, as those of a network do."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(LAYERS[kind]()).eval().requires_grad_(False)
        mixing = torch.randn(64, 12) @ torch.randn(12, 64) + 0.3 * torch.randn(64, 64)
        inputs = []
        for _ in range(3):
            pixels = torch.randn(1, 10, 10, 64) @ mixing
            inputs.append((pixels if kind == "linear" else pixels.permute(0, 3, 1, 2),))
    return module, inputs


def moments_of(module, inputs):
    return measure_input_moments(module, ["0"], inputs)["0"]


def outputs(module, inputs):
    return torch.cat([module(*tensors).flatten() for tensors in inputs])


@pytest.mark.parametrize("kind", LAYERS)
def test_moments_tell_the_error_of_the_outputs(kind):
    """A change E of a layer's matrix changes its outputs by the square sum tr(E M Eᵀ)."""
    module, inputs = make(kind)
    moments = moments_of(module, inputs)
    before, matrix = outputs(module, inputs), WeightMatrix.of(module[0]).values.clone()
    module[0].weight.data += torch.randn(module[0].weight.shape) * 0.01
    change = (WeightMatrix.of(module[0]).values - matrix).double()
    expected = torch.einsum("grc,gcd,grd->", change, moments, change)
    found = (outputs(module, inputs) - before).double().square().sum()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


def nearest(layer, weight_format, moments):
    """Round without regard for what the layer reads: as if all inputs were alike, and independent."""
    flat = torch.eye(moments.shape[1], dtype=moments.dtype).expand(moments.shape)
    return round_weight(layer, weight_format, flat)


@pytest.mark.parametrize("weight_format", FORMATS, ids=str)
@pytest.mark.parametrize("kind", LAYERS)
def test_outputs_change_less_than_with_the_nearest_values(kind, weight_format):
    module, inputs = make(kind)
    layer, moments = module[0], moments_of(module, inputs)
    exact, errors = outputs(module, inputs), {}
    for name, quantize in (("nearest", nearest), ("rounded", round_weight)):
        with replaced_weights(module, {"0": quantize(layer, weight_format, moments)}):
            errors[name] = (outputs(module, inputs) - exact).square().mean()
    # The nine pixels of a depthwise kernel can hardly make up for each other.
    most = 1.05 if kind == "depthwise" else 0.7
    assert 0 < errors["rounded"] < most * errors["nearest"]


@pytest.mark.parametrize("weight_format", [*FORMATS, Integers(4, block=32)], ids=str)
@pytest.mark.parametrize("kind", ["linear", "3x3", "transposed"])
def test_codes_scales_and_table_make_the_values(kind, weight_format):
    module, inputs = make(kind)
    weight = round_weight(module[0], weight_format, moments_of(module, inputs))
    if weight.table is None:
        assert weight.codes.abs().max() <= 2 ** (weight_format.bits - 1) - 1
        levels = weight.codes.float()
    else:
        assert int(weight.codes.max()) < len(weight.table) == 2**weight_format.bits
        levels = weight.table[weight.codes.long()]
    scales = torch.ones(1) if weight.scales is None else weight.scales
    for axis, size in enumerate(scales.shape if weight.scales is not None else ()):
        scales = scales.repeat_interleave(levels.shape[axis] // size, axis)
    assert weight.values.shape == module[0].weight.shape
    assert torch.equal(levels * scales, weight.values)


@pytest.mark.parametrize(("kind", "axis"), [("linear", 0), ("3x3", 0), ("transposed", 1)])
def test_each_output_channel_has_a_scale_that_float16_holds(kind, axis):
    module, inputs = make(kind)
    weight = round_weight(module[0], Integers(8), moments_of(module, inputs))
    assert weight.scales.numel() == weight.scales.shape[axis] == module[0].weight.shape[axis]
    assert torch.equal(weight.scales, weight.scales.half().float())


@pytest.mark.parametrize("fill", [0.0, 1e-44, 1e-30])
@pytest.mark.parametrize("weight_format", FORMATS, ids=str)
def test_dead_weights_stay_dead(weight_format, fill):
    module, inputs = make("linear")
    nn.init.constant_(module[0].weight[:5], fill)
    weight = round_weight(module[0], weight_format, moments_of(module, inputs))
    assert weight.values.isfinite().all()
    # Up to a level of the coarsest table, whose levels are 0.016 apart.
    assert weight.values[:5].abs().max() < 0.02


def test_a_layer_that_read_only_zeros_is_rounded_to_the_nearest_values():
    module, inputs = make("linear")
    weight = round_weight(module[0], Integers(8), torch.zeros(1, 64, 64, dtype=torch.float64))
    assert (weight.values - module[0].weight).abs().max() <= weight.scales.max()


def test_blocks_that_do_not_divide_the_inputs_are_refused():
    module = nn.Sequential(nn.Linear(100, 64))
    with pytest.raises(ConversionError, match="0 has 100 input channels, which blocks of 32"):
        round_weights(module, {"0": Integers(4, block=32)}, {"0": torch.eye(100)[None]})


def test_weights_are_replaced_only_in_the_block():
    module, inputs = make("3x3")
    before = module[0].weight.clone()
    weights = round_weights(module, {"0": Integers(4)}, {"0": moments_of(module, inputs)})
    with pytest.raises(RuntimeError, match="inside"), replaced_weights(module, weights):
        assert torch.equal(module[0].weight, weights["0"].values)
        raise RuntimeError("inside")
    assert torch.equal(module[0].weight, before)
