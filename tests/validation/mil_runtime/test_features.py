import coremltools as ct
import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.traced_models import HEIGHT, WIDTH, convert_traced, only, picture, save, tensor
from validation import mil_runtime
from validation.mil_runtime import InputError, ModelError

COLORS = (1.0, 10.0, 100.0)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize("layout", ["RGB", "BGR"])
@pytest.mark.parametrize("as_array", [False, True])
def test_colored_pictures_arrive_in_the_order_of_their_layout(tmp_path, pixels, layout, as_array):
    path = save(
        lambda x: x * torch.tensor(COLORS).reshape(1, 3, 1, 1),
        tmp_path,
        [picture(ct.colorlayout[layout])],
    )
    ordered = pixels if layout == "RGB" else pixels[..., ::-1]
    given = pixels if as_array else Image.fromarray(pixels)
    output = only(mil_runtime.load(path).predict({"x": given}))
    np.testing.assert_array_equal(output[0], (ordered * COLORS).transpose(2, 0, 1))


def test_gray_pictures_arrive_as_one_channel(tmp_path, pixels):
    path = save(lambda x: x * 2, tmp_path, [picture(ct.colorlayout.GRAYSCALE)])
    gray = pixels[..., 0]
    program = mil_runtime.load(path)
    for given in (Image.fromarray(gray), gray):
        np.testing.assert_array_equal(only(program.predict({"x": given})), 2.0 * gray[None, None])


def test_pictures_of_floats_keep_their_fractions(tmp_path):
    values = np.random.default_rng(0).normal(0, 1, (HEIGHT, WIDTH)).astype(np.float16)
    path = save(lambda x: x * 2, tmp_path, [picture(ct.colorlayout.GRAYSCALE_FLOAT16)])
    output = only(mil_runtime.load(path).predict({"x": Image.fromarray(values.astype(np.float32))}))
    np.testing.assert_array_equal(output, 2 * values.astype(np.float32)[None, None])


def test_scale_and_bias_are_applied_to_pictures(tmp_path, pixels):
    image = picture(ct.colorlayout.RGB, scale=1 / 64, bias=[-1, -2, -3])
    path = save(lambda x: x * 1.5, tmp_path, [image])
    output = only(mil_runtime.load(path).predict({"x": Image.fromarray(pixels)}))
    expected = (pixels / 64 - [1, 2, 3]) * 1.5
    np.testing.assert_allclose(output[0], expected.transpose(2, 0, 1), rtol=1e-6)


def test_gray_pictures_stay_bytes_where_the_function_declares_them(tmp_path, pixels):
    path = save(
        lambda x: torch.transpose(x, -2, -1),
        tmp_path,
        [picture(ct.colorlayout.GRAYSCALE, grayscale_use_uint8=True)],
        [ct.ImageType(name="y", color_layout=ct.colorlayout.GRAYSCALE)],
        target=ct.target.iOS17,
    )
    output = mil_runtime.load(path).predict({"x": pixels[..., 0]})["y"]
    np.testing.assert_array_equal(np.asarray(output), pixels[..., 0].T)


@pytest.mark.parametrize("layout", ["RGB", "BGR", "GRAYSCALE"])
def test_picture_outputs_are_rounded_and_held_in_range(tmp_path, layout):
    channels = 1 if layout == "GRAYSCALE" else 3
    path = save(
        lambda x: x * 1.0 + 0.0,
        tmp_path,
        [tensor(shape=(1, channels, HEIGHT, WIDTH))],
        [ct.ImageType(name="y", color_layout=ct.colorlayout[layout])],
    )
    x = np.random.default_rng(0).uniform(-20, 280, (1, channels, HEIGHT, WIDTH))
    output = mil_runtime.load(path).predict({"x": x})["y"]
    expected = np.rint(x.astype(np.float32)[0].transpose(1, 2, 0)).clip(0, 255)
    expected = expected[..., ::-1] if layout == "BGR" else expected
    assert output.mode == ("L" if channels == 1 else "RGBA")
    values = np.asarray(output).reshape(HEIGHT, WIDTH, -1)
    np.testing.assert_array_equal(values[..., :channels], expected)
    assert (values[..., channels:] == 255).all()  # opaque


def test_picture_outputs_of_floats_are_not_rounded(tmp_path):
    path = save(
        lambda x: x * 1.0 + 0.0,
        tmp_path,
        [tensor(shape=(1, 1, HEIGHT, WIDTH))],
        [ct.ImageType(name="y", color_layout=ct.colorlayout.GRAYSCALE_FLOAT16)],
    )
    x = np.random.default_rng(0).normal(0, 300, (1, 1, HEIGHT, WIDTH)).astype(np.float16)
    output = mil_runtime.load(path).predict({"x": x})["y"]
    assert output.mode == "F"
    np.testing.assert_array_equal(np.asarray(output), x[0, 0])


def test_pictures_of_another_size_or_kind_are_refused(tmp_path, pixels):
    path = save(lambda x: x * 2, tmp_path, [picture(ct.colorlayout.RGB)])
    program = mil_runtime.load(path)
    taken = r"expected a PIL image of mode RGB, \(height, width\) \[4, 6\]"
    for given, complaint in [
        (Image.fromarray(pixels[:, :-1]), r"of mode RGB, \(height, width\) \[4, 5\]"),
        (Image.fromarray(pixels).convert("L"), "of mode L"),
        (Image.fromarray(pixels).convert("RGBA"), "of mode RGBA"),
        (pixels[..., 0], "of mode L"),
        (pixels[None], "an array of shape"),
        (pixels.astype(np.float32), "a ndarray"),
        ("photo.jpg", "a str"),
        (None, "a NoneType"),
    ]:
        with pytest.raises(InputError, match=f"input 'x': .*{complaint}.*{taken}"):
            program.predict({"x": given})


def test_pictures_that_cannot_be_decoded_are_refused(tmp_path, pixels):
    program = mil_runtime.load(save(lambda x: x * 2, tmp_path, [picture(ct.colorlayout.RGB)]))
    photo = tmp_path / "photo.png"
    Image.fromarray(pixels).save(photo)
    photo.write_bytes(photo.read_bytes()[:-40])
    closed = Image.fromarray(pixels)
    closed.close()
    for given in (Image.open(photo), closed):
        with pytest.raises(InputError, match="input 'x': a picture that cannot be decoded"):
            program.predict({"x": given})


def test_inputs_with_a_default_may_be_left_out(tmp_path):
    path = save(
        lambda x, y: x + 2 * y,
        tmp_path,
        [tensor("x"), tensor("y", default_value=np.full((1, 3), 0.5, np.float32))],
    )
    program = mil_runtime.load(path)
    x = np.array([[1, 2, 3]], np.float32)
    np.testing.assert_array_equal(only(program.predict({"x": x})), x + 1)
    np.testing.assert_array_equal(only(program.predict({"x": x, "y": x})), 3 * x)
    with pytest.raises(InputError, match=r"input 'x' is missing: expected fp32 of shape \[1, 3\]"):
        program.predict({"y": x})


@pytest.mark.parametrize(
    ("dtype", "value", "target"),
    [
        (np.float16, 0.5, ct.target.iOS16),
        (np.int32, 7, ct.target.iOS16),
        (np.int8, -3, ct.target.iOS26),
    ],
)
def test_defaults_may_have_every_type(dtype, value, target):
    default = np.full((1, 3), value, dtype)
    model = convert_traced(
        lambda x, y: x * y,
        [tensor("x"), tensor("y", dtype=dtype, default_value=default)],
        target=target,
    )
    output = only(mil_runtime.load(model).predict({"x": [[1, 2, 4]]}))
    np.testing.assert_array_equal(output, np.array([[1, 2, 4]]) * value)


def test_optional_inputs_without_a_default_are_needed_all_the_same(doubling):
    model = ct.models.MLModel(str(doubling), skip_model_load=True)
    model._spec.description.input[0].type.isOptional = True
    with pytest.raises(InputError, match="input 'x' is missing"):
        mil_runtime.load(model).predict({})


@pytest.mark.parametrize("numerics", ["declared", "float64"])
def test_inputs_and_outputs_may_be_float16(tmp_path, numerics):
    path = save(
        lambda x: x + 0.0,
        tmp_path,
        [tensor(dtype=np.float16)],
        [ct.TensorType(name="y", dtype=np.float16)],
    )
    output = mil_runtime.load(path, numerics).predict({"x": [[1 / 3, 70000, -1e-9]]})["y"]
    if numerics == "float64":
        assert output.dtype == np.float64
        np.testing.assert_array_equal(output, [[1 / 3, 70000, -1e-9]])
    else:
        assert output.dtype == np.float16
        np.testing.assert_array_equal(output, np.array([[1 / 3, np.inf, -0.0]], np.float16))


@pytest.fixture(scope="module")
def doubling(tmp_path_factory):
    """A package that doubles numbers (1, 3); tests must not change it."""
    return save(lambda x: x * 2, tmp_path_factory.mktemp("doubling"), [tensor()])


def test_eight_bit_integers_go_in_and_come_out(tmp_path):
    path = save(
        lambda x, y: (torch.relu(x), (x * 0.5 + y).to(torch.int32)),
        tmp_path,
        [tensor("x"), tensor("y", dtype=np.int8)],
        [ct.TensorType(name="rectified"), ct.TensorType(name="sum", dtype=np.int8)],
        target=ct.target.iOS26,
    )
    program = mil_runtime.load(path)
    assert program.function.opset.name == "iOS26"
    x = np.array([[2.0, 4.0, 6.0]], np.float32)
    for y in ([[-128, 0, 120]], np.array([[-128, 0, 120]], np.int8), [[-128.0, 0.0, 120.0]]):
        outputs = program.predict({"x": x, "y": y})
        assert outputs["sum"].dtype == np.int8
        np.testing.assert_array_equal(outputs["sum"], [[-127, 2, 123]])
        np.testing.assert_array_equal(outputs["rectified"], x.clip(0))
    for value in (128, -129, 0.5, np.nan):
        message = r"input 'y': has values that int8 cannot hold, expected int8 of shape \[1, 3\]"
        with pytest.raises(InputError, match=message):
            program.predict({"x": x, "y": [[0, value, 0]]})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_reach_the_program(doubling, value):
    output = only(mil_runtime.load(doubling).predict({"x": [[1, value, 1]]}))
    np.testing.assert_array_equal(output, [[2, value, 2]])


@pytest.fixture(scope="module")
def integers(tmp_path_factory):
    path = save(lambda x: x + 1, tmp_path_factory.mktemp("integers"), [tensor(dtype=np.int32)])
    return mil_runtime.load(path)


@pytest.mark.parametrize(
    "x",
    [
        [[1.0, -2.0, 3.0]],
        [[True, False, True]],
        np.array([[1, 2, 3]], np.uint8),
        np.array([[2**31 - 2, -(2**31), 0]]),
        torch.tensor([[1, 2, 3]]),
    ],
)
def test_whole_numbers_of_any_type_are_integers(integers, x):
    output = only(integers.predict({"x": x}))
    assert output.dtype == np.int32
    np.testing.assert_array_equal(output, np.asarray(x).astype(np.int64) + 1)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 2**31, -(2**31) - 1, 1e30])
def test_fractions_and_other_kinds_are_no_integers(integers, value):
    with pytest.raises(InputError, match=r"int32 cannot hold, expected int32 of shape \[1, 3\]"):
        integers.predict({"x": [[0, value, 0]]})


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (np.zeros((1, 4)), r"an array of shape \[1, 4\]"),
        (np.zeros(3), r"an array of shape \[3\]"),
        (1.0, r"an array of shape \[\]"),
        ([[1, 2], [3]], "is not an array"),
        ("text", "of type"),
        (None, "of type object"),
        ([[1j, 0, 0]], "of type complex128"),
        ([[10**400, 0, 0]], "of type object"),
        ({"a": 1}, "of type object"),
        (torch.ones(1, 3).to_sparse(), "is not an array"),
    ],
)
def test_what_is_no_array_of_the_shape_is_refused(doubling, value, complaint):
    program = mil_runtime.load(doubling)
    with pytest.raises(InputError, match=f"^input 'x': .*{complaint}.*expected fp32 of shape") as e:
        program.predict({"x": value})
    assert "\n" not in str(e.value)


def test_arrays_of_any_layout_and_type_are_read(tmp_path):
    program = mil_runtime.load(save(lambda x: x * 2, tmp_path, [tensor(shape=(2, 3))]))
    x = np.arange(6.0).reshape(2, 3)
    for given in (
        x,
        x.tolist(),
        np.asfortranarray(x),
        x.astype(">f8"),
        x.astype(np.float16),
        x.astype(np.uint8),
        np.arange(12.0).reshape(2, 6)[:, ::2] / 2,
        torch.from_numpy(x).requires_grad_(),
        torch.from_numpy(x).bfloat16(),
    ):
        np.testing.assert_array_equal(only(program.predict({"x": given})), 2 * x)


def test_scalars_are_described_as_arrays_of_one(tmp_path):
    def change(specification):
        function = specification.mlProgram.functions["main"]
        block = function.block_specializations[function.opset]
        for item in (function.inputs[0], block.operations[-1].outputs[0]):
            item.type.tensorType.rank = 0
            del item.type.tensorType.dimensions[:]

    model = ct.models.MLModel(
        str(save(lambda x: torch.relu(x), tmp_path, [tensor(shape=(1,))])), skip_model_load=True
    )
    change(model._spec)
    output = only(mil_runtime.load(model).predict({"x": [3.0]}))
    np.testing.assert_array_equal(output, [3.0])


def test_an_output_that_is_described_twice_is_returned_once(doubling):
    model = ct.models.MLModel(str(doubling), skip_model_load=True)
    description = model._spec.description
    description.output.append(description.output[0])
    outputs = mil_runtime.load(model).predict({"x": np.ones((1, 3), np.float32)})
    assert list(outputs) == [description.output[0].name]


def describe_otherwise(description):
    description.input.append(description.input[0])
    description.input[1].type.multiArrayType.shape.append(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.input[0].type.multiArrayType.shape.__setitem__(1, 4), "is described as"),
        (lambda d: d.input[0].type.multiArrayType.shape.append(1), "is described as"),
        (
            lambda d: set_type(d.input[0], "INT32"),
            r"input 'x' is described as int32 .*fp32\[1, 3\]",
        ),
        (lambda d: set_type(d.output[0], "INT32"), "output .* is described as int32"),
        (describe_otherwise, "'x' is described a second time, differently"),
        (lambda d: d.input.pop(), "the function takes x"),
        (lambda d: setattr(d.output[0], "name", "z"), "promises z, which"),
        (lambda d: d.input[0].type.stringType.SetInParent(), "described as stringType"),
        (lambda d: d.input[0].type.Clear(), "described as None"),
        (lambda d: d.input[0].type.imageType.SetInParent(), "color space"),
        (lambda d: set_picture(d.input[0]), "described as a PIL image"),
        (lambda d: set_huge_default(d.input[0]), "has a default of shape"),
        (
            lambda d: setattr(d.input[0].type.multiArrayType, "dataType", 7),
            "the unknown array type 7",
        ),
    ],
)
def test_descriptions_that_contradict_the_function_are_refused(doubling, change, message):
    model = ct.models.MLModel(str(doubling), skip_model_load=True)
    change(model._spec.description)
    with pytest.raises(ModelError, match=message):
        mil_runtime.load(model)


def set_type(feature, name):
    array = feature.type.multiArrayType
    array.dataType = type(array).ArrayDataType.Value(name)


def set_picture(feature):
    feature.type.imageType.width = feature.type.imageType.height = 3
    feature.type.imageType.colorSpace = 20


def set_huge_default(feature):
    feature.type.isOptional = True
    feature.type.multiArrayType.floatDefaultValue = 1
    feature.type.multiArrayType.shape[:] = [1 << 40, 1 << 40]
