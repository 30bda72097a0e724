"""The graph passes of a conversion: those of coremltools, and three of this project."""

from collections.abc import Sequence
from dataclasses import dataclass

import coremltools as ct
import coremltools.optimize.coreml as cto
from coremltools.converters.mil.mil import Builder, Operation, Program, Var
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import register_pass

NORMALIZE_OVER_CHANNELS = "mobile_sam::normalize_over_channels"
CONST_ELIMINATION = "common::const_elimination"
KEEP_TABLES_SMALL = "mobile_sam::keep_tables_small"
SEPARATE_EQUAL_CONSTANTS = "mobile_sam::separate_equal_constants"

# Elements. A folded constant with more elements than this, and than each of its inputs, stays unfolded.
FOLD_LIMIT = 4096


# The permutations of torch's layer normalization over the channels of a (B, C, H, W) tensor.
_CHANNELS_TO_LAST = [0, 2, 3, 1]
_CHANNELS_BACK = [0, 3, 1, 2]


@dataclass(frozen=True)
class Compression:
    """The name of a graph pass that compresses weights, and its configuration."""

    graph_pass: str
    config: cto.OptimizationConfig


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


@register_pass(namespace="mobile_sam")
class separate_equal_constants(AbstractGraphPass):  # noqa: N801  coremltools names the pass after its class
    """Give each kind of operation its own constants.

    coremltools merges equal constants, such as the zeros of a bias and of a normalization's offset. It then refuses to
    compress the weights of both operations, because it compresses only one of the two kinds.
    """

    def apply(self, prog: Program) -> None:
        for function in prog.functions.values():
            for op in list(function.operations):
                if op.op_type == "const":
                    _separate(op.outputs[0])


def _separate(constant: Var) -> None:
    """Give a copy of ``constant`` to every operation that uses it and has another kind than the first one."""
    first, *others = constant.child_ops or (None,)
    for user in others:
        if user.op_type == first.op_type:
            continue
        block = user.enclosing_block
        with block:
            copy = Builder.const(
                val=constant.val, name=f"{constant.name}_of_{user.name}", before_op=user
            )
        block.replace_uses_of_var_after_op(
            anchor_op=copy.op, old_var=constant, new_var=copy, end_op=user
        )


def pass_pipeline(compression: Compression | None) -> ct.PassPipeline:
    """Return coremltools' default passes with those of this project, followed by the compression of weights.

    Compressing the finished model instead would fold constants once more, and so expand the tables.
    """
    pipeline = ct.PassPipeline.DEFAULT
    passes = [NORMALIZE_OVER_CHANNELS]
    for name in pipeline.passes:
        if name == CONST_ELIMINATION:
            passes.append(KEEP_TABLES_SMALL)
        passes.append(name)
    if compression is not None:
        passes += [SEPARATE_EQUAL_CONSTANTS, compression.graph_pass]
    pipeline.passes = [*passes, KEEP_TABLES_SMALL]  # the backend folds constants once more
    if compression is not None:
        pipeline.set_options(compression.graph_pass, {"config": compression.config})
    return pipeline
