"""Parses the structure of an ML Program: functions, blocks, operations and constants.

The structure comes directly from the proto (``MIL.proto``), as in Core ML. coremltools' intermediate form
is not used, because its inference could hide an error or add one. The parser checks that every value has a
known type and is defined exactly once, before it is used.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from coremltools.proto import MIL_pb2
from torch import Tensor

from validation.mil_runtime.errors import ModelError
from validation.mil_runtime.model.blob_storage import unpack
from validation.mil_runtime.model.package import WeightFiles
from validation.mil_runtime.model.value_types import (
    BOOL,
    FP16,
    FP32,
    FP64,
    INT64,
    UINT32,
    DataType,
    ListType,
    StringType,
    TensorType,
    ValueType,
    parse_value_type,
)

# The value of a constant: a tensor of type ``DataType.torch``, a text, or a list of these.
Constant = Tensor | str | list
_MAX_DEPTH = 32  # levels of nested blocks or values; a real program has a handful
_MAX_ELEMENTS = 1 << 31  # in one constant
_MAX_RANK = 16  # axes of one constant; Core ML's own values have few more than 5
_DAMAGED = "the model is damaged: convert it again"


class Opset(IntEnum):
    """The core opsets, named by the release that introduced them."""

    iOS15 = 5
    iOS16 = 6
    iOS17 = 7
    iOS18 = 8
    iOS26 = 9

    @property
    def label(self) -> str:
        """The opset's name in programs, such as ``CoreML5``."""
        return f"CoreML{self.value}"


@dataclass(frozen=True)
class Reference:
    """An argument that refers by name to an input or to an output of another operation."""

    name: str


@dataclass(frozen=True)
class Output:
    """The name and type of an operation's output, or of an input of a block or function."""

    name: str
    type: ValueType


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: the operation's name, or that of its first output if it has none.
        kind: the name of the operator, such as "conv".
        arguments: parameter → the values bound to it, in order. Most parameters have one.
        outputs: the outputs, in order.
        blocks: the nested blocks, in order.
        place: the operation's place in the program, for messages.
    """

    name: str
    kind: str
    arguments: Mapping[str, tuple[Reference | Constant, ...]]
    outputs: tuple[Output, ...]
    blocks: tuple["Block", ...]
    place: str

    def references(self) -> Iterator[str]:
        """Yield the names of the values that it uses, including those that its blocks take from outside."""
        for bindings in self.arguments.values():
            yield from (binding.name for binding in bindings if isinstance(binding, Reference))
        for block in self.blocks:
            yield from block.captures


@dataclass(frozen=True)
class Block:
    """A block of operations.

    Attributes:
        inputs: the inputs, with their types.
        operations: the operations other than ``const``, in order.
        constants: name → value, for the block's ``const`` operations.
        constant_types: name → type, for the same operations.
        outputs: the names of the values that the block returns.
        captures: the names of values from outside that are used inside.
    """

    inputs: tuple[Output, ...]
    operations: tuple[Operation, ...]
    constants: Mapping[str, Constant]
    constant_types: Mapping[str, ValueType]
    outputs: tuple[str, ...]
    captures: frozenset[str]


@dataclass(frozen=True)
class Function:
    """An entry point of a program: its opset and its block."""

    name: str
    opset: Opset
    block: Block

    @property
    def inputs(self) -> tuple[Output, ...]:
        """The name and type of each input."""
        return self.block.inputs


def parse_function(program: MIL_pb2.Program, name: str, weights: WeightFiles) -> Function:
    """Parse one function of a program, and decode its constants.

    Raises:
        ModelError: the program has no such function, or its proto, types, names or weights are wrong.
    """
    if name not in program.functions:
        raise ModelError(
            f"the program has no function '{name}': expected one of "
            f"{', '.join(sorted(program.functions))}"
        )
    proto = program.functions[name]
    opsets = {opset.label: opset for opset in Opset}
    if proto.opset not in opsets:
        raise ModelError(
            f"function {name}: has the opset '{proto.opset}', expected one of {', '.join(opsets)} "
            "(iOS 15 to 26); convert the model again for one of these"
        )
    if proto.opset not in proto.block_specializations:
        raise ModelError(f"function {name}: has no block for its opset {proto.opset}; {_DAMAGED}")
    parser = _Parser(weights)
    inputs = tuple(parser.parse_output(item, f"function {name}") for item in proto.inputs)
    block = parser.parse_block(
        proto.block_specializations[proto.opset], frozenset(), f"function {name}", inputs
    )
    return Function(name, opsets[proto.opset], block)


class _Parser:
    """Parses blocks, and checks the names that are visible in each."""

    def __init__(self, weights: WeightFiles) -> None:
        self._weights = weights

    def parse_block(
        self,
        proto: MIL_pb2.Block,
        outside: frozenset[str],
        place: str,
        inputs: tuple[Output, ...] = (),
        depth: int = 0,
    ) -> Block:
        if depth > _MAX_DEPTH:
            raise ModelError(f"{place}: blocks are nested more than {_MAX_DEPTH} deep; {_DAMAGED}")
        inputs += tuple(self.parse_output(item, place) for item in proto.inputs)
        inside: set[str] = set()
        _define(inside, (item.name for item in inputs), place)
        constants: dict[str, Constant] = {}
        constant_types: dict[str, ValueType] = {}
        operations = []
        captures: set[str] = set()
        for index, item in enumerate(proto.operations):
            operation = self._parse_operation(
                item, outside | inside, f"{place}, operation {index}", depth
            )
            if operation.kind == "const":
                _define(inside, (operation.name,), operation.place)
                constants[operation.name] = operation.arguments["val"][0]
                constant_types[operation.name] = operation.outputs[0].type
                continue
            captures.update(
                _require_defined(operation.references(), inside, outside, operation.place)
            )
            _define(inside, (output.name for output in operation.outputs), operation.place)
            operations.append(operation)
        outputs = tuple(proto.outputs)
        captures.update(_require_defined(outputs, inside, outside, f"{place}: its outputs"))
        return Block(
            inputs, tuple(operations), constants, constant_types, outputs, frozenset(captures)
        )

    def parse_output(self, proto: MIL_pb2.NamedValueType, place: str) -> Output:
        if not proto.name:
            raise ModelError(f"{place}: a value has no name; {_DAMAGED}")
        return Output(proto.name, parse_value_type(proto.type, f"{place}: '{proto.name}'"))

    def _parse_operation(
        self, proto: MIL_pb2.Operation, visible: frozenset[str], place: str, depth: int
    ) -> Operation:
        attributes = dict(proto.attributes)
        name = _operation_name(proto, attributes.pop("name", None))
        place = f"{place}, {proto.type} '{name}'"
        outputs = tuple(self.parse_output(item, place) for item in proto.outputs)
        arguments = {
            parameter: (self.parse_value(value, f"{place}: {parameter}"),)
            for parameter, value in attributes.items()
        }
        for parameter, argument in proto.inputs.items():
            arguments[parameter] = tuple(
                self._parse_binding(binding, f"{place}: {parameter}")
                for binding in argument.arguments
            )
        if proto.type == "const" and (set(arguments) != {"val"} or len(outputs) != 1):
            raise ModelError(f"{place}: expected one 'val' and one output; {_DAMAGED}")
        blocks = tuple(
            self.parse_block(block, visible, f"{place}, block {index}", depth=depth + 1)
            for index, block in enumerate(proto.blocks)
        )
        name = outputs[0].name if proto.type == "const" else name
        return Operation(name, proto.type, arguments, outputs, blocks, place)

    def _parse_binding(self, proto: MIL_pb2.Argument.Binding, place: str) -> Reference | Constant:
        kind = proto.WhichOneof("binding")
        if kind == "name":
            return Reference(proto.name)
        if kind == "value":
            return self.parse_value(proto.value, place)
        raise ModelError(f"{place}: is bound to nothing; {_DAMAGED}")

    def parse_value(self, proto: MIL_pb2.Value, place: str, depth: int = 0) -> Constant:
        """Decode a constant."""
        if depth > _MAX_DEPTH:
            raise ModelError(f"{place}: is nested more than {_MAX_DEPTH} deep; {_DAMAGED}")
        value_type = parse_value_type(proto.type, place)
        if proto.WhichOneof("value") == "blobFileValue":
            return self._read_blob(proto.blobFileValue, value_type, place)
        immediate = proto.immediateValue
        if isinstance(value_type, ListType) and immediate.WhichOneof("value") == "list":
            return [self.parse_value(item, place, depth + 1) for item in immediate.list.values]
        if immediate.WhichOneof("value") != "tensor":
            raise ModelError(f"{place}: has no value of its type; {_DAMAGED}")
        if isinstance(value_type, StringType):
            return _decode_strings(proto, place)
        if not isinstance(value_type, TensorType):
            raise ModelError(f"{place}: a constant cannot be a {type(value_type).__name__}")
        return _decode_tensor(immediate.tensor, value_type, place)

    def _read_blob(
        self, proto: MIL_pb2.Value.BlobFileValue, value_type: ValueType, place: str
    ) -> Tensor:
        if not isinstance(value_type, TensorType):
            raise ModelError(f"{place}: only tensors are kept in weight files; {_DAMAGED}")
        shape = _constant_shape(value_type, place)
        blob = self._weights.open(proto.fileName)
        values = blob.read(proto.offset, value_type.dtype, _element_count(shape))
        return _to_torch(values, value_type.dtype).reshape(shape)


def _operation_name(proto: MIL_pb2.Operation, attribute: MIL_pb2.Value | None) -> str:
    if attribute is not None and attribute.immediateValue.tensor.strings.values:
        return attribute.immediateValue.tensor.strings.values[0]
    return proto.outputs[0].name if proto.outputs else proto.type


def _define(defined: set[str], names: Iterable[str], place: str) -> None:
    for name in names:
        if name in defined:
            raise ModelError(f"{place}: '{name}' is defined a second time; {_DAMAGED}")
        defined.add(name)


def _require_defined(
    names: Iterable[str], inside: set[str], outside: frozenset[str], place: str
) -> Iterator[str]:
    """Yield those of ``names`` that come from ``outside`` the block.

    Raises:
        ModelError: a name is defined neither inside nor outside.
    """
    for name in names:
        if name in inside:
            continue
        if name not in outside:
            raise ModelError(f"{place} uses '{name}', which is not defined before it; {_DAMAGED}")
        yield name


def _constant_shape(value_type: TensorType, place: str) -> tuple[int, ...]:
    if value_type.shape is None or None in value_type.shape:
        raise ModelError(f"{place}: a constant has the unknown shape {value_type}; {_DAMAGED}")
    largest = max(*value_type.shape, _element_count(value_type.shape), 0)
    if len(value_type.shape) > _MAX_RANK or largest > _MAX_ELEMENTS:
        raise ModelError(f"{place}: a constant of {value_type} is too large; {_DAMAGED}")
    return value_type.shape


def _element_count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _decode_strings(proto: MIL_pb2.Value, place: str) -> str | list[str]:
    values = list(proto.immediateValue.tensor.strings.values)
    if proto.type.tensorType.rank > 0:
        return values
    if len(values) != 1:
        raise ModelError(f"{place}: has {len(values)} texts, expected one; {_DAMAGED}")
    return values[0]


def _decode_tensor(proto: MIL_pb2.TensorValue, value_type: TensorType, place: str) -> Tensor:
    dtype, shape = value_type.dtype, _constant_shape(value_type, place)
    field = proto.WhichOneof("value")
    if field is None or field not in _fields_of(dtype):
        raise ModelError(
            f"{place}: holds {field or 'nothing'}, expected {' or '.join(_fields_of(dtype))} for "
            f"{value_type}; {_DAMAGED}"
        )
    stored = getattr(proto, field).values
    count = _element_count(shape)
    if field == "bytes":
        if len(stored) != (count * dtype.bits + 7) // 8:
            raise ModelError(f"{place}: has {len(stored)} bytes for {value_type}; {_DAMAGED}")
        return _to_torch(unpack(stored, dtype, count), dtype).reshape(shape)
    if len(stored) != count:
        raise ModelError(f"{place}: has {len(stored)} elements for {value_type}; {_DAMAGED}")
    try:
        values = np.array(stored, dtype.numpy)
    except (OverflowError, ValueError) as error:
        raise ModelError(f"{place}: does not fit {value_type} ({error}); {_DAMAGED}") from error
    return _to_torch(values, dtype).reshape(shape)


def _fields_of(dtype: DataType) -> tuple[str, ...]:
    """Return the fields of ``TensorValue`` in which Core ML's own writer stores a type."""
    if dtype in (FP32, FP64, BOOL):
        return {FP32: ("floats",), FP64: ("doubles",), BOOL: ("bools",)}[dtype]
    if dtype == INT64:
        return ("longInts",)
    if dtype == FP16 or dtype.bits <= 8:
        return ("bytes",)
    return ("bytes", "ints", "longInts") if dtype == UINT32 else ("ints", "bytes")


def _to_torch(values: np.ndarray, dtype: DataType) -> Tensor:
    if dtype.torch.itemsize > values.dtype.itemsize:  # torch holds unsigned types in wider ones
        values = values.astype(np.int64 if dtype.torch == torch.int64 else np.int32)
    return torch.from_numpy(values)
