"""Parses the proto of an ML Program.

The structure comes directly from the proto (``MIL.proto``), as in Core ML. coremltools' intermediate form
is not used, because its inference could hide an error or add one. The parser checks that every value has a
known type and is defined exactly once, before it is used.
"""

from collections.abc import Iterable, Iterator

from coremltools.proto import MIL_pb2

from validation.mil_runtime.errors import DAMAGED, ModelError
from validation.mil_runtime.model.constant_values import MAX_DEPTH, decode_constant
from validation.mil_runtime.model.package import WeightFiles
from validation.mil_runtime.model.program_structure import (
    Block,
    Constant,
    Function,
    Operation,
    Opset,
    Output,
    Reference,
)
from validation.mil_runtime.model.value_types import ValueType, parse_value_type


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
        raise ModelError(f"function {name}: has no block for its opset {proto.opset}; {DAMAGED}")
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
        if depth > MAX_DEPTH:
            raise ModelError(f"{place}: blocks are nested more than {MAX_DEPTH} deep; {DAMAGED}")
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
            raise ModelError(f"{place}: a value has no name; {DAMAGED}")
        return Output(proto.name, parse_value_type(proto.type, f"{place}: '{proto.name}'"))

    def _parse_operation(
        self, proto: MIL_pb2.Operation, visible: frozenset[str], place: str, depth: int
    ) -> Operation:
        attributes = dict(proto.attributes)
        name = _operation_name(proto, attributes.pop("name", None))
        place = f"{place}, {proto.type} '{name}'"
        outputs = tuple(self.parse_output(item, place) for item in proto.outputs)
        arguments = {
            parameter: (decode_constant(value, self._weights, f"{place}: {parameter}"),)
            for parameter, value in attributes.items()
        }
        for parameter, argument in proto.inputs.items():
            arguments[parameter] = tuple(
                self._parse_binding(binding, f"{place}: {parameter}")
                for binding in argument.arguments
            )
        if proto.type == "const" and (set(arguments) != {"val"} or len(outputs) != 1):
            raise ModelError(f"{place}: expected one 'val' and one output; {DAMAGED}")
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
            return decode_constant(proto.value, self._weights, place)
        raise ModelError(f"{place}: is bound to nothing; {DAMAGED}")


def _operation_name(proto: MIL_pb2.Operation, attribute: MIL_pb2.Value | None) -> str:
    if attribute is not None and attribute.immediateValue.tensor.strings.values:
        return attribute.immediateValue.tensor.strings.values[0]
    return proto.outputs[0].name if proto.outputs else proto.type


def _define(defined: set[str], names: Iterable[str], place: str) -> None:
    for name in names:
        if name in defined:
            raise ModelError(f"{place}: '{name}' is defined a second time; {DAMAGED}")
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
            raise ModelError(f"{place} uses '{name}', which is not defined before it; {DAMAGED}")
        yield name
