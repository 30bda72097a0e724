"""Plans change how a program is computed, but no bit of a result in the numerics "declared"."""

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from converters.conversion import write_artifact
from converters.coreml.options import CoreMLOptions
from converters.coreml.schemes import SCHEMES
from validation import mil_runtime
from validation.mil_runtime.arithmetic import convolution, pieces, tables
from validation.mil_runtime.model.feature_description import ImageFeature
from validation.mil_runtime.operators import linear

# The tiny model's tensors are too small to be computed in pieces of the real size.
PIECE = 1 << 11
# torch computes convolutions of less than 20,481 elements by another kernel.
CONVOLUTION_PIECE = 1 << 16
FLOAT32_LIMIT = 1e-4  # of the largest value


def compute_conv(x, weight, bias=None, *, strides, pad_type, dilations, groups, pad=None):
    around = pad.tolist()[::2] if pad_type == "custom" else [0] * (x.dim() - 2)
    bias = None if bias is None else bias.float()
    return F.conv2d(
        x.float(), weight.float(), bias, strides.tolist(), around, dilations.tolist(), int(groups)
    )


def compute_linear(x, weight, bias=None):
    return F.linear(x.float(), weight.float(), None if bias is None else bias.float())


def compute_matmul(x, y, transpose_x, transpose_y):
    x, y = x.float(), y.float()
    return torch.matmul(x.mT if transpose_x else x, y.mT if transpose_y else y)


def compute_gelu(x, mode):
    assert mode == "EXACT"
    if x.dtype == torch.float32:
        return F.gelu(x)
    return torch.special.erfc(x.float() * -(0.5**0.5)).mul(x.float()).mul(0.5)


def compute_layer_norm(x, axes, gamma, beta, epsilon):
    (axis,) = axes.tolist()
    last = x.float().movedim(axis, -1)
    result = F.layer_norm(last, last.shape[-1:], gamma.float(), beta.float(), float(epsilon))
    return result.movedim(-1, axis)


# Operator → the float32 result of a whole tensor, which is then rounded once.
WHOLE = {
    "conv": compute_conv,
    "linear": compute_linear,
    "matmul": compute_matmul,
    "gelu": compute_gelu,
    "layer_norm": compute_layer_norm,
}


@pytest.fixture
def small_pieces(monkeypatch):
    for module in (pieces, convolution, linear):
        monkeypatch.setattr(module, "PIECE", PIECE)
    for name in ("_DEPTHWISE_PIECE", "ROWS_PIECE"):
        monkeypatch.setattr(convolution, name, CONVOLUTION_PIECE)
    monkeypatch.setattr(tables, "_FEWEST", PIECE)


def some_inputs(program):
    """A noisy picture, or random numbers, for each input of a program."""
    generator = np.random.default_rng(0)
    inputs = {}
    for name, feature in program.inputs.items():
        if isinstance(feature, ImageFeature):
            inputs[name] = generator.integers(0, 256, (*feature.default_shape, 3), np.uint8)
        else:
            inputs[name] = generator.normal(size=feature.default_shape).astype(np.float32)
    return inputs


def packages(scheme, source, folder):
    """The paths of a tiny artifact's packages."""
    artifact = write_artifact(source, CoreMLOptions(scheme), folder)
    return sorted(artifact.glob("*.mlpackage"))


def bits(tensor):
    return tensor.contiguous().view({2: torch.int16, 4: torch.int32}[tensor.itemsize])


@pytest.mark.parametrize(
    "scheme",
    [
        pytest.param(name, marks=[] if name in ("none", "fp16") else pytest.mark.slow)
        for name in SCHEMES
    ],
)
def test_declared_results_are_those_of_whole_tensors(scheme, tiny_source, tmp_path, small_pieces):
    compared = Counter()

    def compare(operation, arguments, outputs):
        if operation.kind in WHOLE:
            expected = WHOLE[operation.kind](**arguments).to(outputs[0].dtype)
            assert torch.equal(bits(expected), bits(outputs[0])), operation.place
            compared[operation.kind] += 1

    for package in packages(scheme, tiny_source, tmp_path):
        program = mil_runtime.load(package)
        inputs = some_inputs(program)
        watched = program.predict(inputs, observer=compare)
        for name, array in program.predict(inputs).items():
            np.testing.assert_array_equal(array, watched[name])
    assert compared.keys() == WHOLE.keys()


def test_float32_results_are_those_of_whole_tensors_up_to_rounding(tiny_source, tmp_path):
    for package in packages("none", tiny_source, tmp_path):
        program = mil_runtime.load(package, "float32")
        inputs = some_inputs(program)
        watched = program.predict(inputs, observer=lambda *_: None)
        for name, array in program.predict(inputs).items():
            limit = FLOAT32_LIMIT * np.abs(watched[name]).max()
            np.testing.assert_allclose(array, watched[name], rtol=0, atol=limit)
