"""Plans blocks of operations: finds the operators, binds the arguments and decompresses the constants."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from validation.mil_runtime.errors import ModelError, UnsupportedOperationError
from validation.mil_runtime.execution import Execution, PlannedBlock, PlannedOperation
from validation.mil_runtime.folding import fold_constants
from validation.mil_runtime.model.program_structure import (
    Block,
    Constant,
    Operation,
    Opset,
    Reference,
)
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.operators import find_operator
from validation.mil_runtime.prepacking import prepack


def plan_block(
    block: Block, opset: Opset, numerics: Numerics, outside: Mapping[str, Constant]
) -> PlannedBlock:
    """Plan a block. ``outside`` are constants of the enclosing blocks, which this one may decompress."""
    constants = {name: _widen_constant(value, numerics) for name, value in block.constants.items()}
    releases = _last_uses(block)
    steps = []
    for operation, last_used in zip(block.operations, releases, strict=True):
        step = _plan_step(operation, opset, numerics, last_used, {**outside, **constants})
        if operation.kind.startswith("constexpr_"):
            outputs = Execution(numerics, seed=0).run_step(step, {**outside, **constants})
            constants.update(
                (name, _widen_constant(value, numerics)) for name, value in outputs.items()
            )
        else:
            steps.append(step)
    folded = fold_constants(steps, {**outside, **constants}, numerics)
    _drop_decompressed(constants, block, steps)
    left = [step for step in steps if not folded.keys() & _output_names(step)]
    quick_steps = prepack(left, block, {**outside, **constants}, numerics)
    return PlannedBlock(block, constants, tuple(steps), folded, quick_steps)


def _output_names(step: PlannedOperation) -> set[str]:
    return {output.name for output in step.operation.outputs}


def _widen_constant(value: Constant, numerics: Numerics) -> Constant:
    """Convert a constant to the compute type once, so that no run has to. Its value stays exact."""
    if isinstance(value, list):
        return [_widen_constant(item, numerics) for item in value]
    return numerics.widen(value) if isinstance(value, Tensor) else value


def _drop_decompressed(
    constants: dict[str, Constant], block: Block, steps: list[PlannedOperation]
) -> None:
    """Remove constants that only ``constexpr_`` operations used, since they are decoded by now."""
    used = set(block.outputs)
    for step in steps:
        used.update(step.operation.references())
    for operation in block.operations:
        if operation.kind.startswith("constexpr_"):
            for name in set(operation.references()) - used:
                constants.pop(name, None)


def _last_uses(block: Block) -> list[tuple[str, ...]]:
    """Return for each operation the values of the block that no later operation uses."""
    kept = set(block.outputs) | block.captures | set(block.constants)
    releases = []
    for operation in reversed(block.operations):
        names = {*operation.references(), *(output.name for output in operation.outputs)} - kept
        releases.append(tuple(sorted(names)))
        kept |= names
    return releases[::-1]


def _plan_step(
    operation: Operation,
    opset: Opset,
    numerics: Numerics,
    last_used: tuple[str, ...],
    constants: Mapping[str, Constant],
) -> PlannedOperation:
    operator = find_operator(operation.kind, opset)
    if operator is None:
        raise UnsupportedOperationError(
            f"{operation.place}: there is no operator '{operation.kind}' in the opset "
            f"{opset.name}: the model cannot be run; convert it without this operator"
        )
    unknown = operation.arguments.keys() - operator.parameters.keys()
    missing = {
        name for name, parameter in operator.parameters.items() if parameter.required
    } - operation.arguments.keys()
    if unknown or missing:
        raise ModelError(
            f"{operation.place}: {_complaint('has no parameter', unknown)}"
            f"{_complaint('lacks', missing)}{operation.kind} of {opset.name} takes "
            f"{', '.join(operator.parameters)}"
        )
    arguments = tuple(
        (
            operator.parameters[name],
            tuple(
                item if isinstance(item, Reference) else _widen_constant(item, numerics)
                for item in bindings
            ),
        )
        for name, bindings in operation.arguments.items()
    )
    blocks = tuple(plan_block(block, opset, numerics, constants) for block in operation.blocks)
    return PlannedOperation(operation, operator, arguments, blocks, last_used)


def _complaint(what: str, names: Iterable[str]) -> str:
    return f"{what} {', '.join(sorted(names))}; " if names else ""
