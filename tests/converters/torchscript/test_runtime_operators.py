"""A .ptl file uses only operators that the Android runtime has."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from converters import torchscript
from converters.torchscript.runtime_operators import (
    android_lite_2_1_0,
    missing_operators,
    ptl_operators,
)
from reference.common.errors import ConversionError

TOOL = Path(torchscript.__file__).parent / "tools" / "list_runtime_operators.py"

USED_BY_THE_MODELS = (
    "aten::_convolution",
    "aten::add.Tensor",
    "aten::conv2d",
    "aten::conv_transpose2d.input",
    "aten::dequantize.self",
    "aten::gelu",
    "aten::index.Tensor",
    "aten::layer_norm",
    "aten::linear",
    "aten::matmul",
    "aten::scaled_dot_product_attention",
    "aten::softmax.int",
    "aten::upsample_bilinear2d.vec",
    "prepacked::conv2d_clamp_run",
    "prim::TupleIndex",
    "quantized::linear_dynamic",
)
NEVER_ON_A_PHONE = {
    "aten::__interpolate": "the full interpreter registers it",
    "aten::_conv_depthwise2d": "its only kernel is CUDA's",
    "aten::mkldnn_convolution": "oneDNN is not built for Arm",
    "aten::rms_norm": "newer than 2.1",
    "prim::rpc_async": "Python registers it",
    "quantized::linear_dynamic_fp16": "FBGEMM is not built for Arm",
}


class ConvThenResize(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return F.interpolate(F.gelu(self.conv(x)), scale_factor=2, mode="bilinear")


class RMSNorm(nn.Module):
    """A module that uses ``aten::rms_norm``, which torch has since 2.4."""

    def forward(self, x):
        return F.rms_norm(x + 1, (4,))


class TwoLinears(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x):
        return self.layers(x)


def save_ptl(module: nn.Module, example: torch.Tensor, path: Path) -> Path:
    torch.jit.trace(module.eval(), example)._save_for_lite_interpreter(str(path))
    return path


@pytest.fixture
def runtime():
    return android_lite_2_1_0()


def test_operators_of_a_ptl_are_sorted_and_carry_overloads(tmp_path):
    path = save_ptl(ConvThenResize(), torch.zeros(1, 3, 8, 8), tmp_path / "conv.ptl")
    operators = ptl_operators(path)
    assert list(operators) == sorted(operators)
    assert {"aten::_convolution", "aten::gelu", "aten::upsample_bilinear2d.vec"} <= set(operators)
    assert ptl_operators(str(path)) == operators


def test_nothing_is_missing_for_a_plain_module(tmp_path, runtime):
    path = save_ptl(ConvThenResize(), torch.zeros(1, 3, 8, 8), tmp_path / "conv.ptl")
    assert missing_operators(path, runtime) == ()


def test_nothing_is_missing_for_a_dynamically_quantized_module(tmp_path, runtime):
    module = torch.ao.quantization.quantize_dynamic(TwoLinears().eval(), {nn.Linear})
    path = save_ptl(module, torch.zeros(1, 4), tmp_path / "linear.ptl")
    assert "quantized::linear_dynamic" in ptl_operators(path)
    assert missing_operators(path, runtime) == ()


def test_an_operator_newer_than_the_runtime_is_named(tmp_path, runtime):
    path = save_ptl(RMSNorm(), torch.zeros(2, 4), tmp_path / "rms.ptl")
    assert "aten::add.Tensor" in ptl_operators(path)
    assert missing_operators(path, runtime) == ("aten::rms_norm",)


def test_an_overload_is_not_its_base_name(tmp_path, runtime):
    path = save_ptl(ConvThenResize(), torch.zeros(1, 3, 8, 8), tmp_path / "conv.ptl")
    operators = runtime.operators - {"aten::upsample_bilinear2d.vec"}
    poorer = dataclasses.replace(runtime, operators=operators)
    assert "aten::upsample_bilinear2d" in poorer.operators
    assert missing_operators(path, poorer) == ("aten::upsample_bilinear2d.vec",)


def test_the_runtime_reads_what_torch_writes(tmp_path, runtime):
    path = save_ptl(ConvThenResize(), torch.zeros(1, 3, 8, 8), tmp_path / "conv.ptl")
    version = torch.jit.mobile._get_model_bytecode_version(str(path))
    assert (runtime.min_bytecode, runtime.max_bytecode) == (4, 9)
    assert runtime.min_bytecode <= version <= runtime.max_bytecode


@pytest.mark.parametrize("name", USED_BY_THE_MODELS)
def test_the_runtime_has(runtime, name):
    assert name in runtime.operators


@pytest.mark.parametrize(("name", "why"), NEVER_ON_A_PHONE.items())
def test_the_runtime_lacks(runtime, name, why):
    assert name not in runtime.operators, why


def test_the_runtime_is_read_once_and_cannot_be_changed(runtime):
    assert android_lite_2_1_0() is runtime
    with pytest.raises(dataclasses.FrozenInstanceError):
        runtime.name = "other"


def test_the_listing_is_well_formed(runtime):
    listing = Path(torchscript.__file__).parent / "data" / f"{runtime.name}.operators.txt"
    lines = listing.read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if not line.startswith("#")]
    assert lines[0].startswith("# Operators of org.pytorch:pytorch_android_lite:2.1.0")
    assert names == sorted(set(names))
    assert all(name.count("::") == 1 and " " not in name for name in names)


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(ConversionError, match=r"none\.ptl: no such file"):
        ptl_operators(tmp_path / "none.ptl")


def test_refuses_what_is_not_a_lite_file(tmp_path):
    garbage = tmp_path / "garbage.ptl"
    garbage.write_bytes(b"not a model")
    full = tmp_path / "full.ptl"
    torch.jit.trace(TwoLinears().eval(), torch.zeros(1, 4)).save(str(full))
    for path in (garbage, full):
        with pytest.raises(ConversionError, match="cannot load this") as caught:
            ptl_operators(path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_tool_refuses_another_torch():
    done = subprocess.run([sys.executable, TOOL], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the list comes from torch 2.1.0 only" in done.stderr
