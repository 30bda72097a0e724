"""``validation.compare`` matches inputs and outputs of every kind with those of the conversion."""

import dataclasses
from typing import NamedTuple

import coremltools as ct
import pytest
import torch
from torch import nn

import validation
from reference.common.errors import ArtifactError
from tests.support.traced_models import convert_traced, tensor
from validation import mil_runtime

X = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])


class Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, compute):
        super().__init__()
        self.compute = compute

    def forward(self, *tensors):
        return self.compute(*tensors)


def compare(compute, conversion, *inputs, min_sqnr=90):
    return validation.compare(Function(compute), conversion, [inputs], min_sqnr)


def package(compute, names=None, shape=(2, 3), target=ct.target.iOS16):
    outputs = names and [ct.TensorType(name) for name in names]
    model = convert_traced(compute, [tensor("x", shape)], outputs, target)
    return mil_runtime.load(model)


def lite_file(compute, folder, *inputs):
    path = folder / "module.ptl"
    traced = torch.jit.trace(Function(compute), inputs, strict=False)
    traced._save_for_lite_interpreter(str(path))
    return path


# Outputs


class Boxes(NamedTuple):
    corners: torch.Tensor
    scores: torch.Tensor


@dataclasses.dataclass
class Answer:
    logits: torch.Tensor
    hidden: torch.Tensor | None


NESTED = {
    "tuple": (lambda x: (x, (x * 2, x - 1)), ["0", "1.0", "1.1"]),
    "list": (lambda x: [x, x * 2, x - 1], ["0", "1", "2"]),
    "named tuple": (lambda x: (x + 2, Boxes(x * 2, x - 1)), ["0", "1.corners", "1.scores"]),
}


@pytest.mark.parametrize("kind", NESTED)
def test_nested_outputs_are_matched(kind, tmp_path):
    compute, names = NESTED[kind]
    for conversion in (package(compute), lite_file(compute, tmp_path, X)):
        comparison = compare(compute, conversion, X)
        assert comparison.passed
        assert [item.output for item in comparison.outputs] == names


@pytest.mark.parametrize(
    ("give", "names"),
    [
        (lambda x, y: {"a": x, "b": {"c": y}}, ["a", "b.c"]),
        (lambda x, y: Answer(x, None), ["logits"]),
        (lambda x, y: (x, None, Answer(y, x)), ["0", "2.logits", "2.hidden"]),
    ],
)
def test_flattened_outputs_are_matched(give, names):
    def flat(x):
        return (x * 2, x - 1, x * 2)[: len(names)]

    conversion = package(flat)
    comparison = compare(lambda x: give(x * 2, x - 1), conversion, X)
    assert comparison.passed
    assert [item.output for item in comparison.outputs] == names


def test_outputs_are_matched_by_name_whatever_their_order():
    conversion = package(lambda x: (x * 2, x.sum(1), x + 1), ["product", "sum", "more"])
    answers = {"sum": X.sum(1), "product": X * 2, "more": X + 1, "other": X + 1}
    for keys in (("sum", "product", "more"), ("sum", "other", "product")):
        given = {key: answers[key] for key in keys}
        comparison = compare(lambda x, given=given: given, conversion, X)
        assert comparison.passed
        assert [item.output for item in comparison.outputs] == list(keys)
    swapped = {"sum": X.sum(1), "product": X + 1, "more": X * 2}
    assert not compare(lambda x: swapped, conversion, X).passed


def test_a_tensor_that_is_given_twice():
    def twice(x):
        y = x * 2
        return y, x + 1, y

    assert compare(twice, package(twice), X).passed


def test_scalars_are_compared(tmp_path):
    def compute(x):
        return x.mean(), x.sum() * 2

    for conversion in (package(compute), lite_file(compute, tmp_path, X)):
        comparison = compare(compute, conversion, X)
        assert comparison.passed
        assert len(comparison.outputs) == 2
    assert not compare(lambda x: (x.mean(), x.sum()), package(compute), X).passed


def test_truth_values_and_integers_have_to_be_equal(tmp_path):
    def compute(x):
        return x > 0, x.argmax(1), (x * 1000).int()

    for conversion in (package(compute), lite_file(compute, tmp_path, X)):
        assert compare(compute, conversion, X).passed
    comparison = compare(
        lambda x: (x > 0, x.argmax(1), (x * 1000).int() + 1), package(compute), X, min_sqnr=40
    )
    assert comparison.outputs[2].difference.sqnr > 60
    assert not comparison.passed
    assert [(item.exact, item.holds(40)) for item in comparison.outputs] == [
        (True, True),
        (True, True),
        (True, False),
    ]


@pytest.mark.parametrize(
    ("compute", "wrong"),
    [
        (lambda x: torch.complex(x, x).conj(), lambda x: torch.complex(x, x)),
        (lambda x: (x > 0).long() + 2**60, lambda x: (x > 0).long() + (2**60 + 1)),
        (
            lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
            lambda x: torch.quantize_per_tensor(2 * x, 0.1, 0, torch.qint8),
        ),
        (lambda x: x.to_sparse(), lambda x: (2 * x).to_sparse()),
        (lambda x: x.to(torch.float8_e5m2), lambda x: (2 * x).to(torch.float8_e5m2)),
    ],
    ids=["complex", "large integers", "quantized", "sparse", "float8"],
)
def test_numbers_of_every_type_are_compared(compute, wrong, tmp_path):
    assert compare(compute, lite_file(compute, tmp_path, X), X).passed
    assert not compare(compute, lite_file(wrong, tmp_path, X), X).passed


@pytest.mark.parametrize(
    ("compute", "conversion", "passed"),
    [
        (lambda x: x.relu_(), lambda x: x * 1, False),
        (lambda x: x.add_(1), lambda x: x + 1, True),
        (lambda x: x, lambda x: x.mul_(2), False),
    ],
)
def test_inputs_may_be_changed_in_place(compute, conversion, passed, tmp_path):
    path, given = lite_file(conversion, tmp_path, X.clone()), X.clone()
    assert compare(compute, path, given).passed is passed
    assert torch.equal(given, X)


@pytest.mark.parametrize(("factor", "passed"), [(2, True), (3, False)])
def test_outputs_whose_names_look_alike_are_not_mixed_up(factor, passed):
    class Program:
        def predict(self, data):
            return {"a.b": data["x"], "more": data["x"] * factor}

    module = nn.Identity()
    module.forward = lambda x: {"a.b": x, "a": {"b": x * 2}}
    assert validation.compare(module, Program(), [{"x": X}], min_sqnr=90).passed is passed


@pytest.mark.parametrize("gate", [float("nan"), float("inf"), -float("inf")])
def test_gates_that_hold_everything_or_nothing_are_refused(gate, tmp_path):
    with pytest.raises(ArtifactError, match="a gate of .* dB: expected a number"):
        compare(lambda x: x, lite_file(lambda x: x + 1, tmp_path, X), X, min_sqnr=gate)


def test_half_precision_modules_are_compared(tmp_path):
    path = lite_file(lambda x: x * 2, tmp_path, X.bfloat16())
    assert compare(lambda x: x * 2, path, X.bfloat16().requires_grad_()).passed


@pytest.mark.parametrize("answer", ["text", {1, 2}, lambda: None])
def test_what_is_no_tensor_is_refused(answer):
    with pytest.raises(ArtifactError, match=f"gives a {type(answer).__name__}: expected tensors"):
        compare(lambda x: (x, answer), package(lambda x: (x, x * 2)), X)


@pytest.mark.parametrize("answer", [None, (), {"a": None}])
def test_nothing_is_no_agreement(answer):
    class Silent:
        def predict(self, data):
            return {}

    with pytest.raises(ArtifactError, match="the module gives no tensor"):
        compare(lambda x: answer, Silent(), X)


# Inputs


class Weighted(nn.Module):
    def forward(self, x, weight, bias=None):
        return x * weight if bias is None else x * weight + bias


@pytest.mark.parametrize("names", [("x", "weight", "bias"), ("bias", "weight", "x")])
def test_inputs_by_name_in_any_order(names, tmp_path):
    given = {"x": X, "weight": torch.tensor([[2.0]]), "bias": torch.tensor([[5.0]])}
    path = tmp_path / "module.ptl"
    torch.jit.trace(Weighted(), tuple(given.values()))._save_for_lite_interpreter(str(path))
    model = convert_traced(Weighted(), [tensor(name, value.shape) for name, value in given.items()])
    inputs = {name: given[name] for name in names}
    for conversion in (path, mil_runtime.load(model)):
        assert validation.compare(Weighted(), conversion, [inputs], min_sqnr=90).passed


def test_a_tensor_is_an_input():
    conversion = package(lambda x: x * 2)
    assert validation.compare(Function(lambda x: x * 2), conversion, [X, -X], min_sqnr=90).passed


def test_inputs_that_do_not_meet():
    conversion = package(lambda x: x * 2)
    with pytest.raises(ArtifactError, match=r"2 inputs: the conversion takes 1 \(x\); expected as"):
        compare(lambda x, y: x * 2, conversion, X, X)
    module = Weighted()
    with pytest.raises(ArtifactError, match="input 'weight': the model takes 'x'"):
        validation.compare(module, conversion, [{"x": X, "weight": X}], min_sqnr=90)

    class Nameless:
        def predict(self, data): ...

    with pytest.raises(
        ArtifactError, match="for a Nameless, which does not name its inputs: expected"
    ):
        compare(lambda x: x, Nameless(), X)


# Pictures

CHANNELS = {"RGB": 3, "BGR": 3, "GRAYSCALE": 1}


def mix(x):
    """Return numbers that differ for every channel and place, so that an exchange is noticed."""
    weights = torch.arange(1.0, x.shape[1] + 1).reshape(1, -1, 1, 1)
    return (x * weights).cumsum(-1)


def pixels(layout, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, CHANNELS[layout], 4, 5), generator=generator).float()


def takes_pictures(compute, layout, outputs=None, **scaling):
    shape = (1, CHANNELS[layout], 4, 5)
    image = ct.ImageType("image", shape, color_layout=ct.colorlayout[layout], **scaling)
    return convert_traced(compute, [image], outputs)


@pytest.mark.parametrize("layout", CHANNELS)
@pytest.mark.parametrize(
    "scaling", [{}, {"scale": 1 / 255}, {"bias": -7.0}, {"scale": 1 / 58.3, "bias": -2.1}]
)
def test_picture_inputs_are_compared(layout, scaling):
    bias = scaling.get("bias", 0.0)
    if "bias" in scaling and CHANNELS[layout] == 3:
        bias = [bias, bias + 1, bias + 2]
        scaling = scaling | {"bias": bias}
    image = pixels(layout) * scaling.get("scale", 1) + torch.tensor(bias).reshape(1, -1, 1, 1)
    conversion = mil_runtime.load(takes_pictures(mix, layout, **scaling))
    assert compare(mix, conversion, image, min_sqnr=90).passed


def test_pictures_in_the_order_of_another_layout_do_not_pass():
    conversion = mil_runtime.load(takes_pictures(mix, "RGB"))
    assert not compare(lambda x: mix(x.flip(1)), conversion, pixels("RGB")).passed


def test_pictures_of_floats_are_compared():
    image = torch.randn(1, 1, 4, 5, generator=torch.Generator().manual_seed(0)).half().float()
    shape, layout = image.shape, ct.colorlayout.GRAYSCALE_FLOAT16
    model = convert_traced(
        lambda x: x * 2, [ct.ImageType("image", shape=shape, color_layout=layout)]
    )
    assert compare(lambda x: x * 2, mil_runtime.load(model), image).passed


@pytest.mark.parametrize("layout", CHANNELS)
def test_picture_outputs_are_compared(layout):
    outputs = [ct.ImageType("y", color_layout=ct.colorlayout[layout])]
    conversion = mil_runtime.load(takes_pictures(lambda x: 255.0 - x, layout, outputs))
    assert compare(lambda x: 255.0 - x, conversion, pixels(layout)).passed
    assert not compare(lambda x: x, conversion, pixels(layout)).passed


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            pixels("RGB") / 255,
            "as a pixel, expected whole numbers of 0 to 255, because this input",
        ),
        (torch.full((1, 3, 4, 5), 256.0), "input 'image': 256 as a pixel"),
        (torch.full((1, 3, 4, 5), -1.0), "input 'image': -1 as a pixel"),
        (torch.full((1, 3, 4, 5), float("nan")), "input 'image': nan as a pixel"),
        (torch.zeros(1, 1, 4, 5), r"of shape \[1, 1, 4, 5\], expected \[1, 3, height, width\]"),
        (torch.zeros(2, 3, 4, 5), r"of shape \[2, 3, 4, 5\], expected \[1, 3"),
        (torch.zeros(4, 5), r"of shape \[4, 5\], expected \[1, 3"),
        (torch.zeros(1, 3, 5, 4), r"a picture of mode RGB, \(height, width\) \[5, 4\], expected"),
    ],
)
def test_what_is_no_picture_is_refused(image, message):
    conversion = mil_runtime.load(takes_pictures(mix, "RGB"))
    with pytest.raises(ArtifactError, match=message):
        compare(lambda x: x, conversion, image)


def test_a_model_of_coremltools_and_a_pipeline_take_the_same(tmp_path):
    whole = ct.utils.make_pipeline(
        takes_pictures(mix, "BGR", [ct.TensorType("h")], scale=1 / 255),
        convert_traced(torch.relu, [tensor("h", (1, 3, 4, 5))], [ct.TensorType("y")]),
    )
    path = tmp_path / "pipeline.mlpackage"
    whole.save(str(path))
    image = pixels("BGR") / 255
    mil_runtime.install()
    try:
        model = ct.models.MLModel(str(path))
        for conversion in (path, model):
            assert compare(mix, conversion, image).passed
        (alone, part) = tmp_path / "alone.mlpackage", takes_pictures(mix, "BGR", scale=1 / 255)
        part.save(str(alone))
        assert compare(mix, ct.models.MLModel(str(alone)), image).passed
        with pytest.raises(ArtifactError, match="as a pixel, expected whole numbers"):
            compare(mix, model, image + 0.1)
    finally:
        mil_runtime.uninstall()
