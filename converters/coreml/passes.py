"""The graph passes of a conversion: those of coremltools, and three of this project."""

from collections.abc import Mapping, Sequence

import coremltools as ct
from coremltools.converters.mil.mil import Builder, Operation, Program, Var
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import register_pass
from torch import nn

from converters.coreml.stored_weights import STORE_QUANTIZED_WEIGHTS
from converters.quantization.quantized_weight import QuantizedWeight

NORMALIZE_OVER_CHANNELS = "mobile_sam::normalize_over_channels"
CONST_ELIMINATION = "common::const_elimination"
KEEP_TABLES_SMALL = "mobile_sam::keep_tables_small"

# Elements. A folded constant with more elements than this, and than each of its inputs, stays unfolded.
FOLD_LIMIT = 4096


# The permutations of torch's layer normalization over the channels of a (B, C, H, W) tensor.
_CHANNELS_TO_LAST = [0, 2, 3, 1]
_CHANNELS_BACK = [0, 3, 1, 2]


@register_pass(namespace="mobile_sam")
class normalize_over_channels(AbstractGraphPass):  # noqa: N801  coremltools names the pass after its class
    """Normalize over axis 1 where the program moves the channels to the last axis, normalizes, and moves them back.

    torch has layer normalization over the last axes only, while Core ML has it over any axis.
    """

    def apply(self, prog: Program) -> None:
        for function in prog.functions.values():
            for norm in [op for op in function.operations if op.op_type == "layer_norm"]:
                givers, takers = [norm.x.op], norm.outputs[0].child_ops
                if _all_permute(givers, _CHANNELS_TO_LAST) and _all_permute(takers, _CHANNELS_BACK):
                    _normalize_over_channels(norm)


def _all_permute(operations: Sequence[Operation | None], permutation: list[int]) -> bool:
    return all(
        op is not None and op.op_type == "transpose" and list(op.perm.val) == permutation
        for op in operations
    )


def _normalize_over_channels(norm: Operation) -> None:
    block = norm.enclosing_block
    with block:
        replacement = Builder.layer_norm(
            x=norm.x.op.x,
            axes=[1],
            gamma=norm.gamma,
            beta=norm.beta,
            epsilon=norm.epsilon,
            name=norm.name,
            before_op=norm,
        )
    takers = list(norm.outputs[0].child_ops)
    for transpose in takers:
        block.replace_uses_of_var_after_op(
            anchor_op=norm, old_var=transpose.outputs[0], new_var=replacement
        )
    block.remove_ops([*takers, norm])


@register_pass(namespace="mobile_sam")
class keep_tables_small(AbstractGraphPass):  # noqa: N801  coremltools names the pass after its class
    """Keep constant folding from expanding small tables, such as the attention biases, into large ones.

    If an operation on constants has a result larger than its inputs, this pass removes its precomputed value. It does
    the same for operations that depend on the result. const_elimination then leaves them in the graph. Operations whose
    results are not larger, such as casts of weights, are still folded. Passes that rebuild an operation compute its
    value again, so this pass runs before every const_elimination.
    """

    def apply(self, prog: Program) -> None:
        for function in prog.functions.values():
            unfolded: set[Var] = set()
            for op in function.operations:
                inputs = op.get_flattened_inputs()
                depends_on_constants_only = op.op_type != "const" and all(
                    var.val is not None or var in unfolded for var in inputs
                )
                if depends_on_constants_only and (unfolded.intersection(inputs) or _expands(op)):
                    unfolded.update(op.outputs)
                    for output in op.outputs:
                        output._sym_val = None


def _expands(op: Operation) -> bool:
    """Return whether folding an operation on constants would make a constant larger than each of its inputs."""
    sizes = [getattr(var.val, "size", 1) for var in op.get_flattened_inputs()]
    return any(getattr(output.val, "size", 1) > max(FOLD_LIMIT, *sizes) for output in op.outputs)


def pass_pipeline(module: nn.Module, weights: Mapping[str, QuantizedWeight]) -> ct.PassPipeline:
    """Return coremltools' default passes with those of this project.

    Args:
        module: the module that was traced.
        weights: path of a layer → the quantized weight that is stored.
    """
    pipeline = ct.PassPipeline.DEFAULT
    passes = [NORMALIZE_OVER_CHANNELS]
    for name in pipeline.passes:
        if name == CONST_ELIMINATION:
            passes.append(KEEP_TABLES_SMALL)
        passes.append(name)
    # The backend folds constants once more.
    pipeline.passes = [*passes, STORE_QUANTIZED_WEIGHTS, KEEP_TABLES_SMALL]
    pipeline.set_options(STORE_QUANTIZED_WEIGHTS, {"module": module, "weights": weights})
    return pipeline
