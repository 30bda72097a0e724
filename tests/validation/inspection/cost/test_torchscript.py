"""The costs of small TorchScript modules are those that were worked out by hand."""

import pytest
import torch
from torch import nn

from converters.io_spec import image_encoder_spec
from converters.quantization.weight_formats import Integers
from converters.torchscript.quantization import quantize
from reference.common.errors import ArtifactError
from tests.support.calibration import calibration_of
from tests.support.tiny_variant import TINY
from validation.inspection.cost.torchscript import component_cost


class Attention(nn.Module):
    def forward(self, q, k, v):
        return torch.softmax(q @ k.transpose(-2, -1), dim=-1) @ v


class FusedAttention(nn.Module):
    def forward(self, q, k, v):
        return nn.functional.scaled_dot_product_attention(q, k, v)


class Branch(nn.Module):
    def forward(self, x):
        first = torch.relu(x).reshape(20, 5)
        return (torch.sigmoid(first) + first).neg_()


def test_a_convolution_costs_what_was_worked_out(script_cost):
    cost = script_cost(nn.Conv2d(3, 4, 3, padding=1), (1, 3, 8, 8))
    assert cost.multiply_adds == 8 * 8 * 4 * 3 * 3 * 3
    assert cost.multiply_adds_by_operator == {"aten::_convolution": cost.multiply_adds}
    assert cost.parameters.count == 108 + 4
    assert cost.parameters.stored_bytes == cost.parameters.computed_bytes == 4 * 112
    assert cost.memory.activation_bytes == 4 * 8 * 8 * 4
    assert cost.memory.peak_bytes == (3 + 4) * 8 * 8 * 4
    assert cost.risks is None


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv2d(6, 6, 3, groups=6), (1, 6, 5, 5), 9 * 6 * 9),
        (nn.ConvTranspose2d(3, 5, 2, stride=2), (1, 3, 4, 4), 16 * 3 * 5 * 4),
        (nn.Linear(5, 7), (2, 3, 5), 6 * 7 * 5),
        (nn.Sequential(nn.GELU(), nn.LayerNorm(4)), (3, 4), 0),
    ],
)
def test_multiply_adds(script_cost, module, shape, expected):
    assert script_cost(module, shape).multiply_adds == expected


@pytest.mark.parametrize("module", [Attention(), FusedAttention()])
def test_attention_costs_what_was_worked_out(script_cost, module):
    cost = script_cost(module, (1, 2, 6, 4), (1, 2, 9, 4), (1, 2, 9, 5))
    assert cost.multiply_adds == 2 * 6 * 9 * 4 + 2 * 6 * 9 * 5


def test_memory_counts_views_and_work_in_place_once(script_cost):
    memory = script_cost(Branch(), (10, 10)).memory
    assert memory.activation_bytes == 3 * 400
    assert memory.peak_bytes == 3 * 400


def quantized(layer, scheme):
    """Return a layer as the only one of a module, stored by a scheme."""
    module = nn.Sequential(layer)
    formats = {"0": Integers(8)} if scheme == "int8" else {}
    calibration = calibration_of(module, [(torch.ones(1, layer.in_features),)])
    return quantize(module, scheme, formats, calibration)


def test_half_weights_are_computed_as_float32(script_cost):
    cost = script_cost(quantized(nn.Linear(8, 4), "fp16"), (1, 8))
    assert cost.parameters.count == 32 + 4
    assert cost.parameters.stored_bytes == 2 * 32 + 4 * 4
    assert cost.parameters.computed_bytes == 4 * 36
    assert cost.memory.activation_bytes == 4 * (32 + 4)  # the cast weight is made on every run


def test_int8_weights_are_computed_as_float32(script_cost):
    parameters = script_cost(quantized(nn.Linear(128, 96), "int8"), (1, 128)).parameters
    weights = 128 * 96
    assert parameters.count == weights + 96 + 96  # weights, a scale per output, and the bias
    assert parameters.stored_bytes == weights + 4 * 96 + 4 * 96
    assert parameters.computed_bytes == 4 * (weights + 96 + 96)


def test_products_that_overwrite_their_sum_are_counted(script_cost):
    class Accumulates(nn.Module):
        def forward(self, x):
            return (x + 1).addmm_(x, x)

    assert script_cost(Accumulates(), (4, 4)).multiply_adds == 4 * 4 * 4


def test_shared_weights_count_once(script_cost):
    layer = nn.Linear(6, 6)
    cost = script_cost(nn.Sequential(layer, layer), (1, 6))
    assert cost.parameters.count == 42
    assert cost.multiply_adds == 72


def test_a_file_that_is_no_script_is_refused(tmp_path, no_sources):
    path = tmp_path / "mask_decoder.ptl"
    path.write_bytes(b"not TorchScript" * 100)
    with pytest.raises(ArtifactError, match="mask_decoder.ptl: cannot be followed .*convert again"):
        component_cost(path, image_encoder_spec(TINY), no_sources)


class Decides(nn.Module):
    def forward(self, x):
        if bool(x.sum() > 0):
            x = x + 1
        return x


def test_a_program_that_decides_is_refused(tmp_path, no_sources):
    path = tmp_path / "decides.ptl"
    torch.jit.script(Decides()).save(path)
    with pytest.raises(ArtifactError, match="decides.ptl: cannot be followed"):
        component_cost(path, image_encoder_spec(TINY), no_sources)
