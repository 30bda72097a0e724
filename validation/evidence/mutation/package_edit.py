"""Edits a Core ML package in place: its program, and the numbers in its weight file."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from coremltools.proto import MIL_pb2

from reference.common.folders import files_below
from validation.mil_runtime.model.package import open_program

# The metadata of a record in a weight file, as ``mil_runtime.model.blob_storage`` describes it.
_METADATA = struct.Struct("<IIQQQ")
# Data type → numpy type. Data of other types is edited as bytes.
_STORED = {
    MIL_pb2.FLOAT16: "<f2",
    MIL_pb2.FLOAT32: "<f4",
    MIL_pb2.INT8: "i1",
    MIL_pb2.INT32: "<i4",
}

Change = Callable[[np.ndarray], np.ndarray]


class EditablePackage:
    """An ``.mlpackage`` with one ML Program."""

    def __init__(self, path: Path) -> None:
        """Read a package. ``save`` writes it back."""
        self._model_file = _find(path, ".mlmodel")
        self._weight_file = _find(path, ".bin")
        self._weights = bytearray(self._weight_file.read_bytes())
        self.specification = open_program(path).specification
        function = self.specification.mlProgram.functions["main"]
        self.block = function.block_specializations[function.opset]

    def save(self) -> None:
        """Write the package back to its folder."""
        self._model_file.write_bytes(self.specification.SerializeToString(deterministic=True))
        self._weight_file.write_bytes(self._weights)

    def operations(self, kind: str) -> Iterator[MIL_pb2.Operation]:
        """Return the operations of a kind, in order."""
        return (operation for operation in self.block.operations if operation.type == kind)

    def operation(self, output: str) -> MIL_pb2.Operation:
        """Return the operation whose output has that name, or the name with float16's suffix."""
        names = {output, f"{output}_cast_fp16", f"{output}_to_fp16"}
        return next(item for item in self.block.operations if item.outputs[0].name in names)

    def parameter(self, operation: MIL_pb2.Operation, name: str) -> MIL_pb2.Value:
        """Return a constant of an operation: an attribute, or an input that is a ``const``."""
        if name in operation.attributes:
            return operation.attributes[name]
        argument = operation.inputs[name].arguments[0]
        if argument.WhichOneof("binding") == "value":
            return argument.value
        return self.constant(argument.name)

    def producer(self, operation: MIL_pb2.Operation, name: str) -> MIL_pb2.Operation:
        """Return the operation that computes an input of an operation."""
        return self.operation(operation.inputs[name].arguments[0].name)

    def constant(self, name: str) -> MIL_pb2.Value:
        """Return the value of the ``const`` with that name."""
        return self.operation(name).attributes["val"]

    def numbers(self, value: MIL_pb2.Value) -> np.ndarray:
        """Return a copy of a constant's numbers, as ``edit`` passes them."""
        seen = []

        def look(numbers: np.ndarray) -> np.ndarray:
            seen.append(numbers.copy())
            return numbers

        self.edit(value, look)
        return seen[0]

    def edit(self, value: MIL_pb2.Value, change: Change) -> None:
        """Replace a constant's numbers. ``change`` takes an array, and returns one of the same shape.

        Weights of less than 8 bits are passed as the bytes that they are packed in.
        """
        tensor = value.type.tensorType
        if value.WhichOneof("value") == "immediateValue":
            self._edit_immediate(value.immediateValue.tensor, change)
            return
        _, _, size, start, _ = _METADATA.unpack_from(self._weights, value.blobFileValue.offset)
        stored = self._weights[start : start + size]
        numbers = np.frombuffer(stored, _STORED.get(tensor.dataType, "u1"))
        shape = [dimension.constant.size for dimension in tensor.dimensions]
        if numbers.size == np.prod(shape):
            numbers = numbers.reshape(shape)
        changed = change(numbers).astype(numbers.dtype).tobytes()
        if len(changed) != size:
            raise ValueError(f"the change returned {len(changed)} bytes: expected {size}")
        self._weights[start : start + size] = changed

    def _edit_immediate(self, tensor: MIL_pb2.TensorValue, change: Change) -> None:
        kind = tensor.WhichOneof("value")
        if kind == "bytes":  # float16 has no field of its own
            numbers = np.frombuffer(tensor.bytes.values, "<f2")
            tensor.bytes.values = change(numbers).astype("<f2").tobytes()
            return
        values = getattr(tensor, kind).values
        values[:] = np.asarray(change(np.array(values))).tolist()


def _find(package: Path, suffix: str) -> Path:
    return next(file for file in files_below(package) if file.suffix == suffix)
