"""An operation of an ML Program with the types and constants of its arguments, and its multiply-adds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from validation.mil_runtime.model.program_structure import Constant, Operation, Reference
from validation.mil_runtime.model.value_types import ListType, StateType, TensorType, ValueType

UNKNOWN_SIZE = 1  # stands for a dimension that is known only when the program runs


@dataclass(frozen=True)
class TypedOperation:
    """An operation and what is known about its arguments.

    Attributes:
        operation: the operation in the program.
        types: name → type, of all values of the program.
        constants: name → value, of the program's constants.
        computed: names of the program's inputs and of all values that operations compute.
    """

    operation: Operation
    types: Mapping[str, ValueType]
    constants: Mapping[str, Constant]
    computed: frozenset[str]

    @property
    def kind(self) -> str:
        """Name of the operator."""
        return self.operation.kind

    @property
    def outputs(self) -> list[TensorType]:
        """Types of the outputs that are tensors."""
        types = (output.type for output in self.operation.outputs)
        return [item for item in types if isinstance(item, TensorType)]

    def bound(self, parameter: str, index: int = 0) -> Reference | Constant | None:
        """The argument that is bound to ``parameter``; None if there is none."""
        bindings = self.operation.arguments.get(parameter, ())
        return bindings[index] if index < len(bindings) else None

    def shape(self, parameter: str, index: int = 0) -> tuple[int, ...]:
        """Shape of the tensor that is bound to ``parameter``; () if there is none."""
        bound = self.bound(parameter, index)
        if isinstance(bound, Tensor):
            return tuple(bound.shape)
        return sizes(self.types[bound.name]) if isinstance(bound, Reference) else ()

    def constant(self, parameter: str) -> Constant | None:
        """The constant that is bound to ``parameter``; None if there is none."""
        bound = self.bound(parameter)
        return self.constants.get(bound.name) if isinstance(bound, Reference) else bound

    def is_set(self, parameter: str) -> bool:
        """Whether ``parameter`` is bound to a constant that is true."""
        value = self.constant(parameter)
        return isinstance(value, Tensor) and bool(value.any())


def sizes(value_type: ValueType) -> tuple[int, ...]:
    """Shape of a tensor, with ``UNKNOWN_SIZE`` for dimensions that are known only at run time."""
    if isinstance(value_type, StateType):
        value_type = value_type.tensor
    if not isinstance(value_type, TensorType) or value_type.shape is None:
        return ()
    return tuple(UNKNOWN_SIZE if size is None else size for size in value_type.shape)


def byte_size(value_type: ValueType) -> int:
    """Bytes of a value; 0 for a value without tensors, such as a text."""
    if isinstance(value_type, ListType):
        return (value_type.length or UNKNOWN_SIZE) * byte_size(value_type.element)
    if isinstance(value_type, StateType):
        value_type = value_type.tensor
    if not isinstance(value_type, TensorType):
        return 0
    return math.ceil(math.prod(sizes(value_type)) * value_type.dtype.bits / 8)


def multiply_adds(operation: TypedOperation) -> int:
    """Number of multiply-adds of a matrix product or a convolution; 0 for any other operation."""
    outputs = math.prod(sizes(operation.outputs[0])) if operation.outputs else 0
    match operation.kind:
        case "conv":  # weight: (C_out, C_in / groups, …)
            return outputs * math.prod(operation.shape("weight")[1:])
        case "conv_transpose":  # weight: (C_in, C_out / groups, …)
            return math.prod(operation.shape("x")) * math.prod(operation.shape("weight")[1:])
        case "linear":
            return outputs * operation.shape("x")[-1]
        case "matmul":
            x = operation.shape("x")
            return outputs * x[-2 if operation.is_set("transpose_x") and len(x) > 1 else -1]
        case "scaled_dot_product_attention":  # (…, L, E) @ (…, E, S), then (…, L, S) @ (…, S, V)
            return (math.prod(operation.shape("query")) + outputs) * operation.shape("key")[-2]
        case "einsum":
            return _einsum(operation)
    return 0


def _einsum(operation: TypedOperation) -> int:
    operands = str(operation.constant("equation")).partition("->")[0].replace(" ", "").split(",")
    size_of: dict[str, int] = {}
    for index, labels in enumerate(operands):
        size_of.update(zip(labels, operation.shape("values", index), strict=False))
    return math.prod(size_of.values())
