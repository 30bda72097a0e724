import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

from tests.support.mil_programs import build_model, check_operator, constant, run_model
from validation import mil_runtime
from validation.mil_runtime.errors import OperationError

ZERO = {"x": np.zeros(1, np.float32)}
RNG = np.random.default_rng(0)


def packed(values, bits):
    """Pack unsigned numbers below 2^bits into bytes, lowest bit first."""
    ones = (np.asarray(values).reshape(-1, 1) >> np.arange(bits)) & 1
    return np.packbits(ones.astype(np.uint8), bitorder="little")


def of_type(values, name):
    return np.asarray(values).astype(types.nptype_from_builtin(types.string_to_builtin(name)))


def eighths(*shape):
    """Return numbers that every floating-point type holds exactly."""
    return RNG.integers(-64, 64, shape) / 8


def sixteenths(*shape):
    """Return scales of few bits, whose product with a number of 8 bits is exact in float16."""
    return RNG.integers(1, 8, shape) / 16


def check_constant(build, expected, opset="iOS18"):
    """Check a constant, which ``build`` makes in the type of its argument, by adding it to zeros."""
    exact = torch.from_numpy(np.asarray(expected, np.float64))
    check_operator(lambda x: mb.add(x=x, y=build(x)), ZERO, lambda x: x + exact, opset)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_affine_scales_along_an_axis(dtype, axis):
    data = RNG.integers(0, 128, (2, 3, 4)).astype(dtype)
    size = data.shape[axis]
    scale, zero_point = sixteenths(size), RNG.integers(0, 128, size).astype(dtype)
    shape = np.ones(3, int)
    shape[axis] = size
    check_constant(
        lambda x: mb.constexpr_affine_dequantize(
            quantized_data=data, zero_point=zero_point, scale=constant(scale, x), axis=axis
        ),
        (data.astype(int) - zero_point.astype(int).reshape(shape)) * scale.reshape(shape),
        "iOS16",
    )


@pytest.mark.parametrize("opset", ["iOS16", "iOS18"])
def test_affine_may_have_one_scale(opset):
    data = np.array([[0, 255, 3]], np.uint8)
    check_constant(
        lambda x: mb.constexpr_affine_dequantize(
            quantized_data=data, zero_point=np.uint8(255), scale=constant(0.5, x), axis=0
        ),
        [[-127.5, 0, -126]],
        opset,
    )


@pytest.mark.parametrize("opset", ["iOS16", "iOS18"])
def test_cast_constants_are_float32(opset):
    source = RNG.normal(0, 1, 30).astype(np.float16)
    model = build_model(
        lambda x: mb.add(x=x, y=mb.constexpr_cast(source_val=source, output_dtype="fp32")),
        ZERO,
        opset,
    )
    np.testing.assert_array_equal(run_model(model, ZERO)[0], source.astype(np.float32))


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("shape", [(5,), (3, 7, 2)])
def test_packed_lookup_table_is_unpacked(bits, shape):
    indices, lut = RNG.integers(0, 1 << bits, shape), eighths(1 << bits)
    check_constant(
        lambda x: mb.constexpr_lut_to_dense(
            indices=packed(indices, bits), lut=constant(lut, x), shape=np.uint32(shape)
        ),
        lut[indices],
        "iOS16",
    )


@pytest.mark.parametrize("shape", [(5,), (3, 7, 2)])
def test_packed_mask_is_unpacked(shape):
    mask = RNG.integers(0, 2, shape)
    mask.flat[0] = 1
    values = eighths(int(mask.sum()))
    expected = np.zeros(shape)
    expected[mask == 1] = values
    check_constant(
        lambda x: mb.constexpr_sparse_to_dense(
            nonzero_data=constant(values, x), mask=packed(mask, 1), shape=np.uint32(shape)
        ),
        expected,
        "iOS16",
    )


@pytest.mark.parametrize(
    ("dtype", "blocks"),
    [("int4", (2, 3, 1)), ("uint4", (1, 1, 1)), ("int8", (4, 6, 5)), ("uint8", (4, 1, 1))],
    ids=str,
)
@pytest.mark.parametrize("has_offset", [False, True])
def test_blocks_have_scales(dtype, blocks, has_offset):
    high = 8 if "4" in dtype else 128
    low = 0 if dtype[0] == "u" else -high
    data = RNG.integers(low, high, (4, 6, 5))
    scale, offset = sixteenths(*blocks), RNG.integers(low, high, blocks)

    def spread(values):
        return np.kron(values, np.ones([n // g for n, g in zip(data.shape, blocks, strict=True)]))

    def build(x):
        chosen = {"offset": of_type(offset, dtype)} if has_offset else {}
        return mb.constexpr_blockwise_shift_scale(
            data=of_type(data, dtype), scale=constant(scale, x), **chosen
        )

    shift = spread(offset) if has_offset else 0
    check_constant(build, (data - shift) * spread(scale))


def test_blocks_may_have_offsets_that_are_no_integers():
    data, scale, offset = RNG.integers(0, 16, (2, 4)), sixteenths(2, 1), eighths(2, 1)
    check_constant(
        lambda x: mb.constexpr_blockwise_shift_scale(
            data=of_type(data, "uint4"), scale=constant(scale, x), offset=constant(offset, x)
        ),
        (data - offset) * scale,
    )


@pytest.mark.parametrize(
    ("bits", "groups"),
    [(1, (3, 1)), (2, (1, 2)), (3, (3, 4)), (4, (1, 1)), (6, (6, 2)), (8, (2, 1))],
    ids=str,
)
def test_blocks_have_lookup_tables(bits, groups):
    indices, lut = RNG.integers(0, 1 << bits, (6, 4)), eighths(*groups, 1 << bits, 1)
    expected = np.empty((6, 4))
    for row, column in np.ndindex(6, 4):
        table = lut[row * groups[0] // 6, column * groups[1] // 4]
        expected[row, column] = table[indices[row, column], 0]
    check_constant(
        lambda x: mb.constexpr_lut_to_dense(
            indices=of_type(indices, f"uint{bits}"), lut=constant(lut, x)
        ),
        expected,
    )


def vector_table(axis, groups):
    """Return indices, a table of vectors of 3 numbers, and the numbers that the indices stand for along an axis."""
    indices, lut = RNG.integers(0, 4, (2, 4, 3)), eighths(*groups, 4, 3)
    shape = np.array(indices.shape)
    shape[axis] *= 3
    expected = np.empty(shape)
    for place in np.ndindex(*shape):
        source = list(place)
        source[axis] = place[axis] // 3
        group = [i * g // n for i, g, n in zip(source, groups, indices.shape, strict=True)]
        expected[place] = lut[(*group, indices[tuple(source)], place[axis] % 3)]
    return indices, lut, expected


@pytest.mark.parametrize(
    ("axis", "groups"),
    [(0, (2, 2, 1)), (1, (1, 2, 3)), (2, (1, 1, 1)), (-1, (2, 2, 1)), (-2, (1, 1, 1))],
    ids=str,
)
def test_vectors_of_a_lookup_table_lie_along_their_axis(axis, groups):
    indices, lut, expected = vector_table(axis, groups)
    check_constant(
        lambda x: mb.constexpr_lut_to_dense(
            indices=of_type(indices, "uint2"), lut=constant(lut, x), vector_axis=np.int32(axis)
        ),
        expected,
    )


def masked(*shape):
    mask = RNG.integers(0, 2, shape)
    mask.flat[-1] = 1
    return mask


def test_values_fill_a_mask():
    mask = masked(3, 4, 5)
    values = eighths(int(mask.sum()))
    expected = np.zeros(mask.shape)
    expected[mask == 1] = values
    check_constant(
        lambda x: mb.constexpr_sparse_to_dense(
            nonzero_data=constant(values, x), mask=of_type(mask, "uint1")
        ),
        expected,
    )


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_lookup_tables_may_be_sparse(axis):
    mask = masked(2, 4, 3)
    if axis is None:
        indices, lut = RNG.integers(0, 4, mask.shape), eighths(1, 1, 1, 4, 1)
        expected = lut.flatten()[indices] * mask
    else:
        indices, lut, dense = vector_table(axis, (1, 2, 1))
        expected = dense * np.repeat(mask, 3, axis)

    def build(x):
        chosen = {} if axis is None else {"vector_axis": np.int32(axis)}
        out_mask, values = mb.constexpr_lut_to_sparse(
            indices_mask=of_type(mask, "uint1"),
            indices_nonzero_data=of_type(indices[mask == 1], "uint2"),
            lut=constant(lut, x),
            **chosen,
        )
        return mb.constexpr_sparse_to_dense(nonzero_data=values, mask=out_mask)

    check_constant(build, expected)


@pytest.mark.parametrize("has_offset", [False, True])
def test_blocks_with_scales_may_be_sparse(has_offset):
    mask, data = masked(4, 6), RNG.integers(-8, 8, (4, 6))
    scale, offset = sixteenths(2, 3), RNG.integers(-8, 8, (2, 3))

    def build(x):
        chosen = {"offset": of_type(offset, "int4")} if has_offset else {}
        out_mask, values = mb.constexpr_sparse_blockwise_shift_scale(
            data_mask=of_type(mask, "uint1"),
            nonzero_data=of_type(data[mask == 1], "int4"),
            scale=constant(scale, x),
            **chosen,
        )
        return mb.constexpr_sparse_to_dense(nonzero_data=values, mask=out_mask)

    shift = np.kron(offset, np.ones((2, 2))) if has_offset else 0
    check_constant(build, (data - shift) * np.kron(scale, np.ones((2, 2))) * mask)


def test_entries_of_a_lookup_table_may_be_quantized():
    indices, lut = RNG.integers(0, 4, (3, 4)), RNG.integers(-128, 128, (1, 1, 4, 1))
    scale = sixteenths(1, 1)

    def build(x):
        data = mb.constexpr_lut_to_dense(indices=of_type(indices, "uint2"), lut=lut.astype(np.int8))
        return mb.constexpr_blockwise_shift_scale(data=data, scale=constant(scale, x))

    check_constant(build, lut.flatten()[indices] * scale)


def test_what_is_decoded_is_rounded_to_its_declared_type():
    data, scale = np.array([[3, 7]], np.int8), np.array([[0.1]], np.float16)
    model = build_model(
        lambda x: mb.add(x=x, y=mb.constexpr_blockwise_shift_scale(data=data, scale=scale)),
        ZERO,
        precision="float16",
    )
    exact = data * scale.astype(np.float64)
    np.testing.assert_array_equal(run_model(model, ZERO)[0], exact.astype(np.float16))
    (unrounded,) = run_model(model, ZERO, "float64")
    np.testing.assert_allclose(unrounded, exact, rtol=1e-15)


def tampered(build, parameter, change):
    """Return a model after ``change`` was applied to the tensor of one parameter of its ``constexpr_`` operation."""
    model = build_model(lambda x: mb.add(x=x, y=build(x)), ZERO)
    block = next(iter(model._spec.mlProgram.functions["main"].block_specializations.values()))
    operation = next(item for item in block.operations if item.type.startswith("constexpr_"))
    change(operation.inputs[parameter].arguments[0].value.immediateValue.tensor)
    return model


def test_a_mask_with_more_ones_than_values_is_refused():
    def more_ones(tensor):
        tensor.bytes.values = b"\x0f"

    model = tampered(
        lambda x: mb.constexpr_sparse_to_dense(
            nonzero_data=constant([1, 2], x), mask=of_type([1, 0, 0, 1], "uint1")
        ),
        "mask",
        more_ones,
    )
    with pytest.raises(OperationError, match="the mask has 4 ones"):
        run_model(model, ZERO)


def test_palettes_of_integers_are_scaled_before_or_after_they_are_looked_up():
    """iOS 18 scales the palette, and iOS 26 scales what was looked up in it. Both give the same weights."""
    x = np.random.default_rng(1).normal(0, 1, (1, 64)).astype(np.float32)
    weight = np.random.default_rng(0).normal(0, 1, (64, 64)).astype(np.float32)
    palettes = cto.OpPalettizerConfig(nbits=4, mode="uniform")
    integers = cto.OpLinearQuantizerConfig(mode="linear_symmetric", granularity="per_tensor")
    outputs = []
    for opset in ("iOS18", "iOS26"):
        model = build_model(lambda x: mb.matmul(x=x, y=weight, name="y"), {"x": x}, opset)
        model = cto.palettize_weights(model, cto.OptimizationConfig(palettes))
        model = cto.linear_quantize_weights(
            model, cto.OptimizationConfig(integers), joint_compression=True
        )
        program = mil_runtime.load(model)
        assert program.function.opset.name == opset
        outputs.append(program.predict({"x": x})["y"])
    np.testing.assert_array_equal(*outputs)
    np.testing.assert_allclose(outputs[0], x @ weight, atol=0.15 * np.abs(x @ weight).max())
