"""``validation.compare`` compares any torch module with its conversion."""

import coremltools as ct
import pytest
import timm
import torch
from timm.layers import Mlp
from torch import nn

import validation
from reference.common.errors import ArtifactError
from validation import mil_runtime
from validation.metrics import TensorDifference
from validation.modules.comparison import ModuleComparison, OutputComparison

SIZE = 64


@pytest.fixture(scope="module")
def photos():
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(1, 3, SIZE, SIZE, generator=generator),) for _ in range(2)]


def create_convnext():
    torch.manual_seed(0)
    # timm's layer scale starts so small that the blocks of an untrained network have no say.
    return timm.create_model("convnext_atto", num_classes=10, ls_init_value=30.0).eval()


@pytest.fixture(scope="module")
def convnext():
    return create_convnext()


def write_lite_file(module, path, example):
    torch.jit.trace(module, example)._save_for_lite_interpreter(str(path))
    return path


def convert_package(module, example, precision):
    return ct.convert(
        torch.jit.trace(module, example),
        inputs=[ct.TensorType("image", shape=example[0].shape)],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=precision,
        skip_model_load=True,
    )


def test_lite_file_is_compared(convnext, photos, tmp_path):
    path = write_lite_file(convnext, tmp_path / "convnext.ptl", photos[0])
    comparison = validation.compare(convnext, path, photos, min_sqnr=90)
    assert comparison.passed
    assert [(item.inputs, item.output) for item in comparison.outputs] == [(0, "0"), (1, "0")]


def test_package_is_compared(convnext, photos, tmp_path):
    model = convert_package(convnext, photos[0], ct.precision.FLOAT16)
    path = tmp_path / "convnext.mlpackage"
    model.save(str(path))
    comparison = validation.compare(convnext, path, photos, min_sqnr=40)
    assert comparison.passed
    assert not validation.compare(convnext, path, photos, min_sqnr=100).passed  # it is float16
    exact = mil_runtime.load(path, "float32")
    assert validation.compare(convnext, exact, photos, min_sqnr=40).passed


def test_another_activation_is_refused(convnext, photos, tmp_path):
    other = create_convnext()
    for module in other.modules():
        if isinstance(module, Mlp):
            module.act = nn.GELU("tanh")
    path = write_lite_file(other, tmp_path / "tanh.ptl", photos[0])
    comparison = validation.compare(convnext, path, photos, min_sqnr=90)
    assert not comparison.passed
    assert comparison.unproven is None


class TwoOutputs(nn.Module):
    def forward(self, x, scale):
        return {"sum": x.sum(1) * scale, "product": x * scale}


def made_up_output(inputs, output, sqnr, largest=0.25, *, exact=False):
    relative = 10 ** (-sqnr / 20)
    difference = TensorDifference(sqnr, sqnr, 1.0, relative, largest, None, 0)
    return OutputComparison(inputs, output, difference, exact)


def test_what_a_comparison_prints(golden_text):
    outputs = (
        made_up_output(0, "0", 123.4, 1.5e-5),
        made_up_output(0, "more.than_24_characters_long", 45.6),
        made_up_output(1, "labels", 300.0, 0, exact=True),
    )
    different = made_up_output(1, "labels", 60.0, 1, exact=True)
    comparisons = (
        ModuleComparison(outputs, 40.0),
        ModuleComparison((*outputs[:2], different), 40.0),
        ModuleComparison(outputs[:1], 90.5, "every output of the module is 0"),
    )
    golden_text("".join(f"{comparison}\n\n" for comparison in comparisons), "comparison.txt")


def test_inputs_and_outputs_are_matched_by_name(tmp_path):
    inputs = {"x": torch.ones(2, 3), "scale": torch.full((1,), 2.0)}
    module = TwoOutputs()

    class Program:
        def predict(self, data):
            assert list(data) == ["x", "scale"]
            product = data["x"] * data["scale"]
            return {"product": product, "sum": product.sum(1)}

    comparison = validation.compare(module, Program(), [inputs], min_sqnr=100)
    assert comparison.passed
    assert [item.output for item in comparison.outputs] == ["sum", "product"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("broken", [nn.Identity(), nn.Hardtanh()])  # of both sides, or of one
def test_what_is_not_finite_never_passes(broken, value, tmp_path):
    path = write_lite_file(broken, tmp_path / "m.ptl", (torch.zeros(2),))
    sound, unsound = (torch.tensor([0.5, -0.5]),), (torch.tensor([0.5, value]),)
    comparison = validation.compare(nn.Identity(), path, [sound, unsound], min_sqnr=-1000)
    assert not comparison.passed
    assert [item.difference.not_finite for item in comparison.outputs] == [0, 1]


class Constant(nn.Module):
    """A module whose output does not depend on its input, like a head whose weights are all 0."""

    def __init__(self, *values):
        super().__init__()
        self.values = torch.tensor(values)

    def forward(self, x):
        return self.values + 0 * x.sum(), x


@pytest.mark.parametrize("values", [(0.0, 0.0), (3.0, 3.0), (1.0, 2.0)])
def test_constants_prove_nothing(values, tmp_path):
    sets = [(torch.tensor([1.0, 2.0]),), (torch.tensor([3.0, 5.0]),)]

    class Head(Constant):
        def forward(self, x):
            return super().forward(x)[0]

    path = write_lite_file(Head(*values), tmp_path / "head.ptl", sets[0])
    comparison = validation.compare(Head(*values), path, sets, min_sqnr=100)
    assert not comparison.passed
    assert all(item.holds(100) for item in comparison.outputs)
    assert comparison.unproven.startswith("every output of the module is ")
    # Beside an output that is none, a constant does no harm.
    path = write_lite_file(Constant(*values), tmp_path / "both.ptl", sets[0])
    assert validation.compare(Constant(*values), path, sets, min_sqnr=100).passed
    # One set of inputs cannot tell what others would give.
    path = write_lite_file(nn.Identity(), tmp_path / "identity.ptl", sets[0])
    assert validation.compare(nn.Identity(), path, [sets[0], sets[0]], min_sqnr=100).passed


def test_single_number_is_evidence_unless_it_is_0(tmp_path):
    class Total(nn.Module):
        def forward(self, x):
            return x.sum()

    path = write_lite_file(Total(), tmp_path / "total.ptl", (torch.ones(2),))
    for values, passed in (([1.0, 2.0], True), ([1.0, -1.0], False)):
        comparison = validation.compare(Total(), path, [(torch.tensor(values),)], min_sqnr=100)
        assert comparison.passed is passed


def test_bad_input_is_refused(tmp_path):
    text = tmp_path / "text.ptl"
    text.write_text("not TorchScript")
    example = (torch.zeros(1, 2),)
    path = write_lite_file(nn.Identity(), tmp_path / "m.ptl", example)
    for artifact, inputs, expected in (
        (path, [], "no inputs to compare with"),
        (text, [example], "cannot be loaded"),
        (tmp_path / "none.ptl", [example], "no such file"),
        (tmp_path / "model.onnx", [example], "expected a .ptl file or an .mlpackage"),
        (tmp_path / "none.mlpackage", [example], "none.mlpackage"),
    ):
        with pytest.raises(ArtifactError, match=expected):
            validation.compare(nn.Identity(), artifact, inputs, min_sqnr=50)
    two = nn.Identity()
    two.forward = lambda x: (x, x)
    with pytest.raises(ArtifactError, match="gives 1 outputs: expected 2"):
        validation.compare(two, path, [example], min_sqnr=50)
    wide = nn.Identity()
    wide.forward = lambda x: x.repeat(1, 2)
    with pytest.raises(ArtifactError, match="expected the same shape"):
        validation.compare(wide, path, [example], min_sqnr=50)
