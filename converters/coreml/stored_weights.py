"""The graph pass that replaces the constants of quantized weights by their codes, scales and tables."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from coremltools import target
from coremltools.converters.mil.mil import Builder, Operation, Program, Var, types
from coremltools.converters.mil.mil.block import is_current_opset_version_compatible_with
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import register_pass
from torch import nn

from converters.coreml.schemes import WEIGHTED_OPS
from converters.coreml.trace_scopes import traced_path
from converters.quantization.quantized_weight import QuantizedWeight
from converters.quantization.weight_formats import Integers
from reference.common.errors import ConversionError

STORE_QUANTIZED_WEIGHTS = "mobile_sam::store_quantized_weights"


@register_pass(namespace="mobile_sam")
class store_quantized_weights(AbstractGraphPass):  # noqa: N801  coremltools names the pass after its class
    """Store weights as they were quantized. Each constant must have the values that its codes stand for.

    Options of the pass:
        module: the module that was traced.
        weights: path of a layer → its quantized weight.
    """

    # coremltools sets the options, and refuses those that have no default.
    module: nn.Module | None = None
    weights: Mapping[str, QuantizedWeight] = MappingProxyType({})

    def apply(self, prog: Program) -> None:
        for function in prog.functions.values():
            stored = set()
            for op in list(function.operations):
                if op.op_type in WEIGHTED_OPS:
                    path = traced_path(op, self.module)
                    if path in self.weights:
                        _store(op, path, self.weights[path])
                        stored.add(path)
            if missing := self.weights.keys() - stored:
                raise ConversionError(
                    f"no operation has the weights of {', '.join(sorted(missing))}"
                )


def _store(op: Operation, path: str, weight: QuantizedWeight) -> None:
    constant = op.weight
    expected = weight.values.numpy().astype(constant.val.dtype)
    if not np.array_equal(constant.val, expected):
        raise ConversionError(f"the conversion changed the quantized weight of {path}")
    block = op.enclosing_block
    with block:
        name = f"{constant.name}_quantized"
        stored = _decoded(weight, constant.val.dtype, name, op)
    block.replace_uses_of_var_after_op(
        anchor_op=stored.op, old_var=constant, new_var=stored, end_op=op
    )
    if not constant.child_ops:
        block.remove_ops([constant.op])


def _decoded(weight: QuantizedWeight, dtype: np.dtype, name: str, before: Operation) -> Var:
    """Add the operations that decode a weight, and return their result."""
    decode = (
        _decode_blocks
        if is_current_opset_version_compatible_with(target.iOS18)
        else _decode_channels
    )
    return decode(weight, dtype, name, before)


def _decode_channels(weight: QuantizedWeight, dtype: np.dtype, name: str, before: Operation) -> Var:
    """Decode with the operations of iOS 16: one scale per output channel, or one table."""
    codes = weight.codes.numpy()
    if isinstance(weight.format, Integers):
        scales = weight.scales.numpy().astype(dtype)
        axis = scales.shape.index(scales.size)
        return Builder.constexpr_affine_dequantize(
            quantized_data=codes,
            zero_point=np.zeros(scales.size, np.int8),
            scale=scales.reshape(-1),
            axis=np.int32(axis),
            name=name,
            before_op=before,
        )
    bits = codes.reshape(-1, 1) >> np.arange(weight.format.bits, dtype=np.uint8) & 1
    return Builder.constexpr_lut_to_dense(
        indices=np.packbits(bits, bitorder="little"),
        lut=weight.table.numpy().astype(dtype),
        shape=np.array(codes.shape, np.uint32),
        name=name,
        before_op=before,
    )


def _decode_blocks(weight: QuantizedWeight, dtype: np.dtype, name: str, before: Operation) -> Var:
    """Decode with the operations of iOS 18, which have scales per block of inputs, and scales of a table's values."""
    codes = weight.codes.numpy()
    bits = weight.format.bits
    if isinstance(weight.format, Integers):
        decoded = codes.astype(types.nptype_from_builtin(types.string_to_builtin(f"int{bits}")))
    else:
        index_type = types.nptype_from_builtin(types.string_to_builtin(f"uint{bits}"))
        decoded = Builder.constexpr_lut_to_dense(
            indices=codes.astype(index_type),
            lut=weight.table.numpy().astype(dtype).reshape(*[1] * codes.ndim, -1, 1),
            name=name if weight.scales is None else f"{name}_unscaled",
            before_op=before,
        )
    if weight.scales is None:
        return decoded
    return Builder.constexpr_blockwise_shift_scale(
        data=decoded,
        scale=weight.scales.numpy().astype(dtype),
        name=name,
        before_op=before,
    )
