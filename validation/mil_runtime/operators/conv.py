"""Convolutions, transposed convolutions, and convolutions with quantized weights.

Semantics: coremltools' ``ops/defs/iOS15/conv.py`` and ``iOS17/conv.py``.
"""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.convolution import convolve
from validation.mil_runtime.arithmetic.sizes import checked_shape
from validation.mil_runtime.arithmetic.windows import (
    Padding,
    find_padding,
    is_symmetric,
    pad_spatial,
    per_dimension,
    spatial_rank,
    split_padding,
)
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import operator

_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@operator("conv", half_kernel=True)
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Tensor:
    rank = spatial_rank(x)
    strides = per_dimension("strides", strides, 1, rank)
    dilations = per_dimension("dilations", dilations, 1, rank)
    extents = _extents(weight, dilations)
    padding = find_padding(x, pad_type, pad, extents, strides)
    if is_symmetric(padding):
        around = [before for before, _ in padding]
    else:
        x, around = pad_spatial(x, padding), [0] * rank
    return convolve(x, weight, bias, strides, around, dilations, groups)


@operator("conv_quantized")
def conv_quantized(
    x: Tensor,
    weight: Tensor,
    quantization_type: str,
    quant_scale: Tensor,
    quant_bias: Tensor,
    nbits: int = 8,
    bias: Tensor | None = None,
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Tensor:
    if quantization_type != "linear":
        raise OperationError(
            f"quantization_type '{quantization_type}': expected 'linear'; "
            "for 'lut' the operator has no parameter that would carry the table"
        )
    if not 1 <= nbits <= 8 or int(weight.max()) >= 1 << nbits:
        raise OperationError(
            f"nbits {nbits}: expected 1 to 8, and weights below 2^nbits; got {int(weight.max())}"
        )
    scale = _per_output_channel("quant_scale", quant_scale, weight)
    offset = _per_output_channel("quant_bias", quant_bias, weight)
    dequantized = weight.to(x.dtype) * scale + offset
    bias = None if bias is None else bias.to(x.dtype)
    return conv(x, dequantized, bias, strides, pad_type, pad, dilations, groups)


@operator("conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: list[int] | None = None,
    output_shape: list[int] | None = None,
    pad_type: str = "valid",
    strides: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Tensor:
    rank = spatial_rank(x)
    strides = per_dimension("strides", strides, 1, rank)
    dilations = per_dimension("dilations", dilations, 1, rank)
    full = [
        (size - 1) * stride + extent
        for size, stride, extent in zip(
            x.shape[2:], strides, _extents(weight, dilations), strict=True
        )
    ]
    checked_shape([len(x), weight.shape[1] * groups, *full])
    wanted = None if output_shape is None else _spatial_part(output_shape, x, weight, groups)
    crops = _find_crops(x, pad_type, pad, full, strides, wanted)
    x, crops = _extend_input(x, crops, strides)
    around = [min(crop) for crop in crops]  # torch does not need to compute this part
    result = _TRANSPOSED[rank](x, weight, bias, strides, around, 0, groups, dilations)
    rest = [
        (done - before, done - after) for (before, after), done in zip(crops, around, strict=True)
    ]
    return pad_spatial(result, rest)


def _extents(weight: Tensor, dilations: list[int]) -> list[int]:
    if weight.dim() != len(dilations) + 2:
        raise OperationError(f"weight has rank {weight.dim()}: expected {len(dilations) + 2}")
    return [
        (size - 1) * dilation + 1
        for size, dilation in zip(weight.shape[2:], dilations, strict=True)
    ]


def _per_output_channel(name: str, values: Tensor, weight: Tensor) -> Tensor:
    """Reshape one value, or one per output channel, so that it broadcasts against ``weight``."""
    if values.numel() not in (1, weight.shape[0]):
        raise OperationError(
            f"{name} has {values.numel()} values: expected 1 or {weight.shape[0]}, a value for each "
            "output channel"
        )
    return values.reshape(-1, *[1] * (weight.dim() - 1))


def _spatial_part(
    output_shape: list[int], x: Tensor, weight: Tensor, groups: int
) -> tuple[int, ...]:
    leading = [x.shape[0], weight.shape[1] * groups]
    if len(output_shape) != x.dim() or output_shape[:2] != leading:
        raise OperationError(
            f"output_shape {output_shape}: expected {x.dim()} sizes that begin with {leading}"
        )
    return checked_shape(output_shape)[2:]


def _find_crops(
    x: Tensor,
    pad_type: str,
    pad: list[int] | None,
    full: list[int],
    strides: list[int],
    wanted: Sequence[int] | None,
) -> Padding:
    """Return how much to cut off the ``full`` result before and after; a negative amount is added.

    The operator reverses a convolution with the same ``pad_type``. Inputs of several sizes give the same
    output of such a convolution, so ``wanted`` may name the size. The difference to it is cut or added
    after the result.
    """
    if pad_type == "same":
        wanted = wanted or [
            size * stride for size, stride in zip(x.shape[2:], strides, strict=True)
        ]
        befores = [
            split_padding(max(0, whole - size))[0] for whole, size in zip(full, wanted, strict=True)
        ]
    elif pad_type in ("valid", "custom"):
        padding = find_padding(x, pad_type, pad, full, strides)
        befores = [before for before, _ in padding]
        wanted = wanted or [
            whole - before - after for whole, (before, after) in zip(full, padding, strict=True)
        ]
    else:
        raise OperationError(f"pad_type '{pad_type}': expected one of valid, custom, same")
    return [
        (before, whole - before - size)
        for whole, before, size in zip(full, befores, wanted, strict=True)
    ]


def _extend_input(x: Tensor, crops: Padding, strides: list[int]) -> tuple[Tensor, Padding]:
    """Add zeros after the input, so that nothing has to be added to the result.

    Each zero makes the result longer by a stride, and adds only the bias to its values.
    """
    zeros = [
        math.ceil(max(0, -after) / stride)
        for (_, after), stride in zip(crops, strides, strict=True)
    ]
    extended = pad_spatial(x, [(0, count) for count in zeros])
    return extended, [
        (before, after + count * stride)
        for (before, after), count, stride in zip(crops, zeros, strides, strict=True)
    ]
