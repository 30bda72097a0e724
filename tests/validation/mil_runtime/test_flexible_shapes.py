"""Flexible inputs follow the rules of coremltools' guide and of Core ML's own checks."""

import coremltools as ct
import numpy as np
import pytest
from PIL import Image

from tests.support.traced_models import convert_traced, only, save, tensor
from validation import mil_runtime
from validation.mil_runtime import InputError, ModelError


def double(x):
    return x * 2


def load(shape, **options):
    return mil_runtime.load(convert_traced(double, [tensor(shape=shape, **options)]))


def takes(program, *shape):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(only(program.predict({"x": x})), 2 * x)


def refuses(program, message, *shape):
    with pytest.raises(InputError, match=f"^input 'x': {message}"):
        program.predict({"x": np.zeros(shape, np.float32)})


def test_a_fixed_shape_is_the_only_one():
    program = load((1, 3))
    takes(program, 1, 3)
    for shape in ((1, 4), (3,), (1, 1, 3), (3, 1)):
        refuses(program, r"an array of shape .*expected fp32 of shape \[1, 3\]$", *shape)


@pytest.mark.parametrize("default", [None, (1, 5)])
def test_enumerated_shapes_are_taken_whole(default):
    program = load(ct.EnumeratedShapes([(1, 3), (1, 5), (2, 4)], default=default))
    for shape in ((1, 3), (1, 5), (2, 4)):
        takes(program, *shape)
    for shape in ((1, 4), (2, 3), (2, 5), (5, 1), (3,), (1, 1, 3)):
        sizes = " x ".join(map(str, shape))
        refuses(program, rf"MultiArray Shape \({sizes}\) was not in enumerated set of ", *shape)


@pytest.mark.parametrize("default", [None, 4])
def test_ranges_include_both_ends(default):
    program = load(ct.Shape((1, ct.RangeDim(2, 5, default=default), 3)))
    for size in (2, 3, 5):
        takes(program, 1, size, 3)
    for size in (0, 1, 6):
        refuses(program, rf"Size \({size}\) of dimension \(1\) is not in .* \(2\.\.5\)", 1, size, 3)
    refuses(program, r"Size \(4\) of dimension \(2\) is not in allowed range \(3\.\.3\)", 1, 3, 4)
    refuses(program, r"an array of shape \[2, 3\]", 2, 3)


def test_a_range_may_have_no_end():
    # coremltools refuses it for ML Programs, and its older releases did not; descriptions have it.
    model = convert_traced(double, [tensor(shape=ct.Shape((1, ct.RangeDim(2, 5))))])
    model._spec.description.input[0].type.multiArrayType.shapeRange.sizeRanges[1].upperBound = -1
    program = mil_runtime.load(model)
    takes(program, 1, 100)
    refuses(program, r"Size \(1\) of dimension \(1\) is not in allowed range \(2\.\.any\)", 1, 1)


def test_every_axis_has_a_range_of_its_own():
    program = load(ct.Shape((ct.RangeDim(1, 2), ct.RangeDim(3, 4)), default=(2, 3)))
    for shape in ((1, 3), (1, 4), (2, 3), (2, 4)):
        takes(program, *shape)
    refuses(program, r"Size \(3\) of dimension \(0\)", 3, 3)


@pytest.mark.parametrize("sizes", [(3, 5), (4, 4)])
def test_sizes_of_several_inputs_vary_alone(sizes):
    inputs = [tensor(name, ct.Shape((1, ct.RangeDim(2, 5)))) for name in "xy"]
    program = mil_runtime.load(convert_traced(lambda x, y: (x * 2, y * 3), inputs))
    outputs = program.predict({"x": np.ones((1, sizes[0])), "y": np.ones((1, sizes[1]))})
    assert [value.shape for value in outputs.values()] == [(1, size) for size in sizes]


def test_a_range_may_be_beside_a_fixed_shape():
    inputs = [tensor("x", ct.Shape((1, ct.RangeDim(2, 5)))), tensor("y", (1, 1))]
    program = mil_runtime.load(convert_traced(lambda x, y: x * y, inputs))
    y = np.full((1, 1), 3.0)
    np.testing.assert_array_equal(only(program.predict({"x": np.ones((1, 4)), "y": y})), [[3] * 4])
    with pytest.raises(InputError, match=r"input 'y': an array of shape \[1, 4\]"):
        program.predict({"x": np.ones((1, 4)), "y": np.ones((1, 4))})


# Several inputs with enumerated shapes: as of iOS 18, and the n-th shape of one goes with the n-th of
# the others.


def enumerated(name, *sizes, default=None):
    shapes = [(1, size) for size in sizes]
    return tensor(name, ct.EnumeratedShapes(shapes, default=default and (1, default)))


def two_enumerated(x=(3, 5), y=(30, 50)):
    return convert_traced(
        lambda x, y: (x * 2, y * 3),
        [enumerated("x", *x), enumerated("y", *y)],
        target=ct.target.iOS18,
    )


def test_enumerated_shapes_of_several_inputs_go_together():
    program = mil_runtime.load(two_enumerated())
    for x, y in ((3, 30), (5, 50)):
        outputs = program.predict({"x": np.ones((1, x)), "y": np.ones((1, y))})
        assert [value.shape for value in outputs.values()] == [(1, x), (1, y)]
    message = (
        r"^inputs 'x' \[1, 3\], 'y' \[1, 50\]: are not enumerated together, expected "
        r"'x' \[1, 3\] with 'y' \[1, 30\], or 'x' \[1, 5\] with 'y' \[1, 50\]$"
    )
    with pytest.raises(InputError, match=message):
        program.predict({"x": np.ones((1, 3)), "y": np.ones((1, 50))})
    with pytest.raises(InputError, match=r"^input 'y': MultiArray Shape \(1 x 40\) was not in"):
        program.predict({"x": np.ones((1, 3)), "y": np.ones((1, 40))})


def test_a_shape_that_is_enumerated_again_goes_with_each_of_its_partners():
    program = mil_runtime.load(two_enumerated(x=(3, 3, 5), y=(30, 40, 50)))
    for x, y in ((3, 30), (3, 40), (5, 50)):
        program.predict({"x": np.ones((1, x)), "y": np.ones((1, y))})
    with pytest.raises(InputError, match="are not enumerated together"):
        program.predict({"x": np.ones((1, 3)), "y": np.ones((1, 50))})


def test_enumerated_sizes_of_pictures_go_with_shapes_of_arrays():
    shapes = ct.EnumeratedShapes([(1, 3, 4, 6), (1, 3, 5, 8)])
    model = convert_traced(
        lambda x, y: (x * 2, y * 3),
        [ct.ImageType("x", shape=shapes), enumerated("y", 30, 50)],
        target=ct.target.iOS18,
    )
    program = mil_runtime.load(model)
    program.predict({"x": Image.new("RGB", (8, 5)), "y": np.ones((1, 50))})
    with pytest.raises(InputError, match=r"'x' \[5, 8\], 'y' \[1, 30\]: are not enumerated tog"):
        program.predict({"x": Image.new("RGB", (8, 5)), "y": np.ones((1, 30))})


def changed(model, change):
    """Return a model in memory with other descriptions of its inputs."""
    change(*(item.type.multiArrayType for item in model._spec.description.input))
    return model


def test_several_enumerated_inputs_are_of_ios_18():
    model = two_enumerated()
    model._spec.specificationVersion = 8
    with pytest.raises(ModelError, match="'x', 'y' have enumerated shapes: before iOS 18 Core ML"):
        mil_runtime.load(model)


def test_several_enumerated_inputs_have_as_many_shapes_each():
    model = changed(two_enumerated(), lambda x, y: y.enumeratedShapes.shapes.add(shape=(1, 70)))
    with pytest.raises(ModelError, match=r"different numbers of enumerated shapes \('x' 2, 'y' 3"):
        mil_runtime.load(model)


def test_enumerated_shapes_and_ranges_are_not_mixed():
    inputs = [enumerated("x", 3, 5), tensor("y", ct.Shape((1, ct.RangeDim(2, 5))))]
    model = convert_traced(lambda x, y: (x * 2, y * 3), inputs, target=ct.target.iOS18)
    with pytest.raises(
        ModelError, match="'x' has enumerated shapes and 'y' a range: Core ML allows"
    ):
        mil_runtime.load(model)


def test_there_are_128_enumerated_shapes_at_most():
    takes(load(ct.EnumeratedShapes([(1, size) for size in range(1, 129)])), 1, 128)
    model = convert_traced(double, [enumerated("x", *range(1, 130))])
    with pytest.raises(ModelError, match="'x' has 129 enumerated shapes: expected at most 128"):
        mil_runtime.load(model)


def test_a_message_names_a_few_of_many_shapes():
    program = load(ct.EnumeratedShapes([(1, size) for size in range(1, 101)]))
    with pytest.raises(InputError, match=r"\[1, 8\] or one of 92 more$") as caught:
        program.predict({"x": np.zeros((1, 200))})
    assert "[1, 9]" not in str(caught.value)


# Defaults


@pytest.mark.parametrize("given", [{}, {"y": np.full((1, 5), 0.5, np.float32)}])
def test_an_optional_input_with_a_range_has_the_shape_of_its_default(given):
    inputs = [
        tensor("x", (1, 1)),
        tensor("y", ct.Shape((1, ct.RangeDim(2, 5))), default_value=np.full((1, 4), 0.5, "f4")),
    ]
    program = mil_runtime.load(convert_traced(lambda x, y: x + y, inputs))
    output = only(program.predict({"x": np.ones((1, 1)), **given}))
    np.testing.assert_array_equal(output, np.full((1, 5 if given else 4), 1.5))


@pytest.mark.parametrize(
    ("shape", "smallest"),
    [
        (ct.Shape((1, ct.RangeDim(2, 5))), 2),
        (ct.EnumeratedShapes([(1, 3), (1, 5)], default=(1, 3)), 3),
    ],
)
def test_a_default_shape_that_is_not_described_is_the_first_or_smallest(shape, smallest):
    model = convert_traced(lambda x, y: x + y, [tensor("x", (1, 1)), tensor("y", shape)])
    optional = model._spec.description.input[1].type
    optional.isOptional, optional.multiArrayType.floatDefaultValue = True, 7.0
    del optional.multiArrayType.shape[:]
    output = only(mil_runtime.load(model).predict({"x": np.zeros((1, 1))}))
    np.testing.assert_array_equal(output, np.full((1, smallest), 7.0))


@pytest.mark.parametrize(
    ("shape", "change", "message"),
    [
        (
            ct.Shape((1, ct.RangeDim(2, 5))),
            lambda x: x.shape.__setitem__(1, 9),
            r"'x': has the default shape \[1, 9\], but allows \[1, 2 to 5\]",
        ),
        (
            ct.EnumeratedShapes([(1, 3), (1, 5)]),
            lambda x: x.shape.__setitem__(1, 4),
            r"'x': has the default shape \[1, 4\], but allows \[1, 3\] or \[1, 5\]",
        ),
        (
            ct.Shape((1, ct.RangeDim(2, 5))),
            lambda x: setattr(x.shapeRange.sizeRanges[1], "upperBound", 1),
            r"'x': is described as of shape \[1, 2 to 1\]",
        ),
        (
            ct.Shape((1, ct.RangeDim(2, 5))),
            lambda x: x.shape.append(1),
            r"'x': has the default shape \[1, 2, 1\]",
        ),
        (
            ct.EnumeratedShapes([(1, 3), (1, 5)]),
            lambda x: x.enumeratedShapes.shapes.add(),
            r"'x': is described as of shape",
        ),
        (
            ct.EnumeratedShapes([(1, 3), (1, 5)]),
            lambda x: x.enumeratedShapes.Clear(),
            "'x': is described without a shape",
        ),
        ((1, 3), lambda x: x.ClearField("shape"), "'x': is described without a shape"),
        ((1, 3), lambda x: x.shape.__setitem__(1, -3), "'x': is described as of shape"),
    ],
)
def test_descriptions_that_core_ml_refuses_are_refused(shape, change, message):
    model = changed(convert_traced(double, [tensor(shape=shape)]), change)
    with pytest.raises(ModelError, match=message):
        mil_runtime.load(model)


# Pictures


@pytest.mark.parametrize(
    ("shape", "taken", "refused"),
    [
        (
            ct.EnumeratedShapes([(1, 3, 4, 6), (1, 3, 5, 8)], default=(1, 3, 5, 8)),
            [(4, 6), (5, 8)],
            [(4, 8), (6, 4), (5, 6)],
        ),
        (
            ct.Shape((1, 3, ct.RangeDim(2, 5, default=4), ct.RangeDim(3, 8, default=6))),
            [(2, 3), (5, 8), (4, 6), (2, 8)],
            [(1, 3), (6, 8), (5, 9), (2, 2), (8, 5)],
        ),
        (
            ct.Shape((1, 3, 4, ct.RangeDim(3, 8, default=6))),
            [(4, 3), (4, 8)],
            [(3, 6), (5, 6), (4, 2), (4, 9)],
        ),
    ],
)
def test_pictures_have_flexible_sizes(tmp_path, shape, taken, refused):
    program = mil_runtime.load(save(double, tmp_path, [ct.ImageType(name="x", shape=shape)]))
    for height, width in taken:
        output = only(program.predict({"x": Image.new("RGB", (width, height), (1, 2, 3))}))
        assert output.shape == (1, 3, height, width)
        np.testing.assert_array_equal(output[0, :, 0, 0], [2, 4, 6])
    for height, width in refused:
        with pytest.raises(InputError, match=rf"\(height, width\) \[{height}, {width}\], expected"):
            program.predict({"x": Image.new("RGB", (width, height))})


def test_pictures_come_out_in_the_size_that_went_in():
    shape = ct.Shape((1, 3, ct.RangeDim(2, 5), ct.RangeDim(3, 8)))
    model = convert_traced(
        lambda x: x * 1.0 + 0.0,
        [ct.ImageType(name="x", shape=shape)],
        [ct.ImageType(name="y")],
    )
    output = mil_runtime.load(model).predict({"x": Image.new("RGB", (7, 3), (1, 2, 3))})["y"]
    assert (output.size, output.getpixel((0, 0))) == ((7, 3), (1, 2, 3, 255))
