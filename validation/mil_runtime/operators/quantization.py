"""Affine quantization of activations.

Semantics: coremltools' ``ops/defs/iOS17/quantization_ops.py``.
"""

import numpy as np
import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import Context, operator


@operator("quantize", since=Opset.iOS17)
def quantize(
    input: Tensor,
    scale: Tensor,
    output_dtype: str,
    context: Context,
    zero_point: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    declared = context.declared().dtype
    if output_dtype not in ("int8", "uint8") or output_dtype != declared.name:
        raise OperationError(
            f"output_dtype '{output_dtype}': expected int8 or uint8, and the declared "
            f"{declared.name}"
        )
    bounds = np.iinfo(declared.numpy)
    steps = (input / along_axis(scale, input, axis, "scale")).round()  # halves to even
    if zero_point is not None:
        steps = steps + along_axis(zero_point, input, axis, "zero_point")
    return steps.clamp(bounds.min, bounds.max).to(torch.int32)


@operator("dequantize", since=Opset.iOS17)
def dequantize(
    input: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    steps = input.to(scale.dtype)
    if zero_point is not None:
        steps = steps - along_axis(zero_point, input, axis, "zero_point")
    return steps * along_axis(scale, input, axis, "scale")


def along_axis(parameter: Tensor, data: Tensor, axis: int | None, name: str) -> Tensor:
    """Reshape a scalar, or a vector with an element per position along ``axis``, to broadcast."""
    if parameter.dim() == 0:
        return parameter
    if (
        axis is None
        or not -data.dim() <= axis < data.dim()
        or tuple(parameter.shape) != (data.shape[axis],)
    ):
        raise OperationError(
            f"{name} of shape {list(parameter.shape)}, axis {axis}: expected a scalar, or a value "
            f"for each position along an axis of data of shape {list(data.shape)}"
        )
    shape = [1] * data.dim()
    shape[axis] = -1
    return parameter.reshape(shape)  # (n,) → (1, …, n, …, 1)
