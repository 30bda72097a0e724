"""Mistakes in a Core ML package, in its program or in its weights."""

import functools
from collections.abc import Iterator

import numpy as np
from coremltools.proto import FeatureTypes_pb2, MIL_pb2

from validation.evidence.mutation.encoder_mutants import KERAS_EPSILON
from validation.evidence.mutation.mutant import PackageMutant
from validation.evidence.mutation.package_edit import EditablePackage
from validation.stages import IMAGE_ENCODER, MASK_DECODER

FLOAT16_OVERFLOW_GAIN = 2.0**15  # activations around 1 then reach 65504, the limit of float16

encoder = functools.partial(
    PackageMutant, format="coreml", component=IMAGE_ENCODER, expected=IMAGE_ENCODER
)
decoder = functools.partial(
    PackageMutant, format="coreml", component=MASK_DECODER, expected=MASK_DECODER
)

# Quantized weights


def shift_zero_points(package: EditablePackage) -> None:
    for operation in package.operations("constexpr_affine_dequantize"):
        package.edit(package.parameter(operation, "zero_point"), np.ones_like)


def take_scale_of_next_channel(package: EditablePackage) -> None:
    for operation in package.operations("constexpr_affine_dequantize"):
        package.edit(package.parameter(operation, "scale"), lambda scales: np.roll(scales, 1))


def swap_nibbles(package: EditablePackage) -> None:
    for operation in package.operations("constexpr_blockwise_shift_scale"):
        package.edit(package.parameter(operation, "data"), lambda pairs: pairs << 4 | pairs >> 4)


def reverse_palettes(package: EditablePackage) -> None:
    for operation in package.operations("constexpr_lut_to_dense"):
        package.edit(package.parameter(operation, "lut"), np.flip)


def rotate_palettes(package: EditablePackage) -> None:
    for operation in package.operations("constexpr_lut_to_dense"):
        package.edit(package.parameter(operation, "lut"), lambda palette: np.roll(palette, 1))


def saturate_activations(package: EditablePackage) -> None:
    for kind in ("quantize", "dequantize"):
        for operation in package.operations(kind):
            package.edit(package.parameter(operation, "scale"), lambda scale: scale / 4)


# Weights


def flip_bit(package: EditablePackage) -> None:
    """Flip the highest bit of the exponent, in one weight of the last convolution."""

    def change(weights: np.ndarray) -> np.ndarray:
        changed = weights.copy()
        word = np.dtype(f"<u{weights.itemsize}")
        changed.view(word)[3, 0, 1, 1] ^= word.type(1 << (8 * weights.itemsize - 2))
        return changed

    package.edit(package.constant("encoder_neck_2_weight"), change)


def put_nan(package: EditablePackage) -> None:
    package.edit(package.constant("encoder_neck_2_weight"), _with_element(np.nan))


def zero_channel(package: EditablePackage) -> None:
    def change(weights: np.ndarray) -> np.ndarray:
        changed = weights.copy()
        changed[3] = 0
        return changed

    package.edit(package.constant("encoder_neck_2_weight"), change)


def drop_bias(package: EditablePackage) -> None:
    package.edit(package.constant("output_upscaling_0_bias"), np.zeros_like)


def overflow_float16(package: EditablePackage) -> None:
    """Enlarge the weights before a layer norm, which divides by the gain again.

    The function stays the same, but overflows in float16.
    """
    package.edit(
        package.constant("encoder_neck_0_weight"), lambda weights: weights * FLOAT16_OVERFLOW_GAIN
    )


def change_mean(package: EditablePackage) -> None:
    package.edit(package.constant("pixel_mean"), lambda mean: mean[..., ::-1])


# Programs


def declare_bgr(package: EditablePackage) -> None:
    (image,) = package.specification.description.input
    image.type.imageType.colorSpace = FeatureTypes_pb2.ImageFeatureType.ColorSpace.BGR


def exchange_outputs(package: EditablePackage) -> None:
    masks, scores = package.specification.description.output
    masks.name, scores.name = scores.name, masks.name
    renamed = {masks.name: scores.name, scores.name: masks.name}
    block = package.block
    block.outputs[:] = [renamed[name] for name in block.outputs]
    for name in _names(block):
        name.name = renamed.get(name.name, name.name)


def approximate_gelu(package: EditablePackage, mode: str) -> None:
    for operation in package.operations("gelu"):
        value = package.parameter(operation, "mode")
        value.immediateValue.tensor.strings.values[:] = [mode]


def use_keras_epsilon(package: EditablePackage) -> None:
    for operation in package.operations("layer_norm"):
        package.edit(
            package.parameter(operation, "epsilon"),
            lambda epsilon: np.full_like(epsilon, KERAS_EPSILON),
        )


def pad_on_one_side(package: EditablePackage) -> None:
    """Pad as TensorFlow's "same" does: with a stride of 2, all padding is at the end."""
    convolution = next(package.operations("conv"))
    package.edit(package.parameter(convolution, "pad"), lambda _: np.array([0, 2, 0, 2]))


def forget_softmax_scale(package: EditablePackage) -> None:
    for operation in package.operations("mul"):
        if operation.outputs[0].name.startswith(("q_", "k_")):
            package.edit(package.parameter(operation, "y"), np.ones_like)


def forget_transpose(package: EditablePackage) -> None:
    """Leave out the transpose of the masks, which are computed row by row."""
    *_, transpose = package.operations("transpose")
    package.edit(package.parameter(transpose, "perm"), lambda _: np.array([0, 1, 2, 3]))


def hide_no_slot(package: EditablePackage) -> None:
    """Zero the bias that hides empty slots."""
    operation = package.operation("input_1")
    package.edit(package.parameter(operation, "y"), np.zeros_like)


def _with_element(value: float):
    def change(weights: np.ndarray) -> np.ndarray:
        changed = weights.copy()
        changed[3, 0, 1, 1] = value
        return changed

    return change


def _names(block: MIL_pb2.Block) -> Iterator[MIL_pb2.NamedValueType]:
    for operation in block.operations:
        yield from operation.outputs


PACKAGE_MUTANTS = (
    encoder(
        "package: zero points off by one",
        "1 instead of 0, in every kernel",
        scheme="int8",
        change=shift_zero_points,
    ),
    encoder(
        "package: scales of the next channel",
        "every kernel uses the scales of the neighboring channel",
        scheme="int8",
        change=take_scale_of_next_channel,
    ),
    decoder(
        "package: scales of the next channel, decoder",
        "every kernel uses the scales of the neighboring channel",
        scheme="int8",
        change=take_scale_of_next_channel,
    ),
    encoder(
        "package: nibbles swapped",
        "the two halves of every byte of int4 exchanged",
        scheme="int4",
        change=swap_nibbles,
    ),
    encoder(
        "package: palette reversed, lut8",
        "256 values in the wrong order",
        scheme="lut8",
        change=reverse_palettes,
    ),
    encoder(
        "package: palette rotated, lut4",
        "every index is off by one",
        scheme="lut4",
        change=rotate_palettes,
    ),
    decoder(
        "package: palette rotated, lut4, decoder",
        "every index is off by one",
        scheme="lut4",
        change=rotate_palettes,
    ),
    encoder(
        "package: activations saturate",
        "scales of int8 activations a quarter of the right size",
        scheme="w8a8",
        change=saturate_activations,
    ),
    encoder(
        "package: bit flipped, float32",
        "the highest bit of one exponent",
        scheme="none",
        change=flip_bit,
    ),
    encoder(
        "package: bit flipped, float16",
        "the highest bit of one exponent",
        scheme="fp16",
        change=flip_bit,
    ),
    encoder("package: NaN in a weight", "NaN in one element", scheme="fp16", change=put_nan),
    encoder(
        "package: channel zeroed",
        "zeros in one channel of the embeddings",
        scheme="fp16",
        change=zero_channel,
    ),
    decoder(
        "package: bias dropped", "no bias in the first upscaling", scheme="fp16", change=drop_bias
    ),
    encoder(
        "package: float16 overflow",
        "activations beyond 65504 before a layer norm",
        scheme="fp16",
        change=overflow_float16,
    ),
    encoder(
        "package: mean in BGR order",
        "means of red and blue exchanged",
        scheme="none",
        change=change_mean,
    ),
    encoder(
        "package: BGR", "the color space of the image input", scheme="none", change=declare_bgr
    ),
    decoder(
        "package: outputs exchanged",
        "each output has the name of the other",
        scheme="none",
        change=exchange_outputs,
    ),
    decoder(
        "package: GELU by tanh, decoder",
        "the approximation instead of the exact function",
        scheme="none",
        change=functools.partial(approximate_gelu, mode="TANH_APPROXIMATION"),
    ),
    encoder(
        "package: GELU by sigmoid",
        "the coarser approximation, in float16",
        scheme="fp16",
        change=functools.partial(approximate_gelu, mode="SIGMOID_APPROXIMATION"),
    ),
    encoder(
        "package: layer norm epsilon 1e-3",
        "Keras' default in every layer norm",
        scheme="none",
        change=use_keras_epsilon,
    ),
    encoder(
        "package: padding on one side",
        'TensorFlow\'s "same" for a stride of 2',
        scheme="fp16",
        change=pad_on_one_side,
    ),
    decoder(
        "package: softmax scale forgotten",
        "1/sqrt(d) missing in every attention",
        scheme="fp16",
        change=forget_softmax_scale,
    ),
    decoder(
        "package: transpose forgotten",
        "a program that declares another shape than it gives",
        scheme="fp16",
        change=forget_transpose,
    ),
    decoder(
        "package: empty slots seen",
        "no slot is hidden from attention",
        scheme="int8",
        change=hide_no_slot,
    ),
)
