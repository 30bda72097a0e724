"""The static cost of a Core ML package, from the types that its ML Program declares for every value."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from coremltools.models import MLModel
from coremltools.proto import MIL_pb2

from converters.io_spec import ModuleSpec
from reference.common.errors import ArtifactError
from validation.inspection.cost.component import (
    ComponentCost,
    CountedOperation,
    Parameters,
    summarize,
)
from validation.inspection.cost.memory import MemoryUse, Step, memory_use
from validation.inspection.cost.mil_operation import TypedOperation, byte_size, multiply_adds, sizes
from validation.inspection.cost.neural_engine.risks import find_risks
from validation.inspection.cost.sources import ReferenceSources
from validation.mil_runtime.errors import ModelError
from validation.mil_runtime.model.feature_description import default_function
from validation.mil_runtime.model.package import open_program
from validation.mil_runtime.model.program_parser import parse_function
from validation.mil_runtime.model.program_structure import Function, Operation, Reference
from validation.mil_runtime.model.value_types import (
    BOOL,
    INT32,
    INT64,
    UINT32,
    TensorType,
    ValueType,
    parse_value_type,
)

# Operators whose output is their input in another shape, without a copy.
_VIEWS = ("reshape", "expand_dims", "squeeze", "identity")
_DECOMPRESSION = "constexpr_"
# Types of constants that are axes, shapes and switches, and not parameters.
_SETTINGS = (BOOL, INT32, INT64, UINT32)


def component_cost(
    source: "Path | MLModel", spec: ModuleSpec, sources: ReferenceSources
) -> ComponentCost:
    """Measure the static cost of a package, or of a model in memory.

    Args:
        source: path of the package, or the model.
        spec: not used, because a package declares the types of its inputs.
        sources: the reference modules of the component.

    Raises:
        ArtifactError: the package cannot be read, or it has branches or loops.
    """
    try:
        package = open_program(source)
        program = package.specification.mlProgram
        name = default_function(package.specification.description)
        function = parse_function(program, name, package.weights)
        proto = program.functions[name]
        stored = stored_bytes(proto.block_specializations[proto.opset])
    except ModelError as error:
        raise ArtifactError(f"{error}; or convert the artifact again") from error
    operations = typed_operations(function, package.name)
    counts = [_multiply_adds(operation) for operation in operations]
    return summarize(
        sources,
        [
            CountedOperation(operation.kind, count, _layer(operation, sources))
            for operation, count in zip(operations, counts, strict=True)
        ],
        parameters(function, operations, stored),
        activation_memory(function, operations),
        find_risks(function, operations, counts),
    )


def _multiply_adds(operation: TypedOperation) -> int:
    try:
        return multiply_adds(operation)
    except IndexError:
        raise ArtifactError(
            f"{operation.operation.place}: lacks an argument, or has one of too few axes: expected "
            "an operation as coremltools writes it; convert the artifact again"
        ) from None


def typed_operations(function: Function, place: str) -> list[TypedOperation]:
    """All operations except the decompression of weights; ArtifactError, naming ``place``, for branches and loops."""
    types, constants = _types(function), function.block.constants
    branching = [item.kind for item in function.block.operations if item.blocks]
    if branching:
        raise ArtifactError(
            f"{place}: has the operator {branching[0]}, whose cost depends on its inputs: expected a "
            "program without branches and loops; convert again"
        )
    running = [item for item in function.block.operations if not _decompresses(item)]
    computed = frozenset(
        item.name for item in (*function.inputs, *(o for op in running for o in op.outputs))
    )
    return [TypedOperation(operation, types, constants, computed) for operation in running]


def _types(function: Function) -> dict[str, ValueType]:
    """Declared type of every value, by name."""
    block = function.block
    outputs = (output for operation in block.operations for output in operation.outputs)
    return dict(block.constant_types) | {
        item.name: item.type for item in (*function.inputs, *outputs)
    }


def _decompresses(operation: Operation) -> bool:
    return operation.kind.startswith(_DECOMPRESSION)


def stored_bytes(block: MIL_pb2.Block) -> int:
    """Bytes of a block's parameters in the file; compressed parameters include their scales or palettes."""
    return sum(
        byte_size(value_type)
        for operation in block.operations
        if operation.type == "const" or operation.type.startswith(_DECOMPRESSION)
        for value in _values(operation)
        if _is_parameter(value_type := parse_value_type(value.type, operation.type))
    )


def _values(operation: MIL_pb2.Operation) -> Iterator[MIL_pb2.Value]:
    yield from operation.attributes.values()
    for argument in operation.inputs.values():
        yield from (item.value for item in argument.arguments if item.HasField("value"))


def _is_parameter(value_type: ValueType) -> bool:
    return isinstance(value_type, TensorType) and value_type.dtype not in _SETTINGS


def parameters(function: Function, operations: Sequence[TypedOperation], stored: int) -> Parameters:
    """The parameters that ``operations`` take, each counted once; ``stored`` are their bytes in the file."""
    types = _types(function)
    taken = {name for item in operations for name in item.operation.references()}
    computed = [
        types[name]
        for name in _parameter_names(function)
        if name in taken and _is_parameter(types[name])
    ]
    return Parameters(
        count=sum(math.prod(sizes(item)) for item in computed),
        stored_bytes=stored,
        computed_bytes=sum(map(byte_size, computed)),
    )


def _parameter_names(function: Function) -> list[str]:
    """Names of the constants, and of the tensors that are decompressed from constants."""
    decompressed = filter(_decompresses, function.block.operations)
    return [
        *function.block.constants,
        *(output.name for operation in decompressed for output in operation.outputs),
    ]


def activation_memory(function: Function, operations: Sequence[TypedOperation]) -> MemoryUse:
    """Memory of the activations, calculated from the declared types."""
    buffers = {item.name: item.name for item in function.inputs}  # name of a value → its buffer
    steps = []
    for item in operations:
        operation = item.operation
        reads = [buffers[name] for name in operation.references() if name in buffers]
        if operation.kind in _VIEWS and reads:
            buffers[operation.outputs[0].name] = reads[0]
            steps.append(Step(reads, {}))
            continue
        names = [output.name for output in operation.outputs]
        buffers.update(zip(names, names, strict=True))
        steps.append(Step(reads, {out.name: byte_size(out.type) for out in operation.outputs}))
    inputs = {item.name: byte_size(item.type) for item in function.inputs}
    outputs = [buffers[name] for name in function.block.outputs if name in buffers]
    return memory_use(inputs, steps, outputs)


def _layer(operation: TypedOperation, sources: ReferenceSources) -> str | None:
    weight = operation.bound("weight")
    return sources.layer_of_constant(weight.name) if isinstance(weight, Reference) else None
