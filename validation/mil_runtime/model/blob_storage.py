"""Reads weight files (``weight.bin``), which store the large constants of an ML Program.

A file is a 64-byte header (uint32 count of records, uint32 version, zeros), then records. The
program refers to a record by the offset of its 64-byte metadata: uint32 sentinel, uint32 data type,
uint64 size in bytes, uint64 offset of the data, uint64 padding bits, zeros. Everything is little
endian. Format: ``MILBlob`` in coremltools (``mlmodel/src/MILBlob/Blob/StorageFormat.hpp``).
"""

import mmap
import struct
from pathlib import Path

import numpy as np

from validation.mil_runtime.errors import ModelError
from validation.mil_runtime.model.value_types import DataType

_HEADER = struct.Struct("<II")
_METADATA = struct.Struct("<IIQQQ")
_ALIGNMENT = 64
_SENTINEL = 0xDEADBEEF
_VERSIONS = (2,)
# MILBlob's numbers for data types.
_STORED_TYPES = {
    1: "fp16",
    2: "fp32",
    3: "uint8",
    4: "int8",
    6: "int16",
    7: "uint16",
    8: "int4",
    9: "uint1",
    10: "uint2",
    11: "uint4",
    12: "uint3",
    13: "uint6",
    14: "int32",
    15: "uint32",
}
_DAMAGED = "the file is damaged: convert the model again"


class BlobFile:
    """One weight file. It is mapped into memory, so that only the requested records are read."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            ModelError: the file is missing, or is not a weight file.
        """
        self._path = path
        try:
            if not path.is_file():  # opening a pipe would block
                raise ModelError(f"{path}: is missing, or is not a file; convert the model again")
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise ModelError(
                f"{path}: cannot be read ({error}); convert the model again"
            ) from error
        if len(self._data) < _ALIGNMENT:
            raise ModelError(f"{path}: has {len(self._data)} bytes, less than a header; {_DAMAGED}")
        _, version = _HEADER.unpack_from(self._data)
        if version not in _VERSIONS:
            raise ModelError(
                f"{path}: is of storage version {version}, expected {_VERSIONS[0]}; {_DAMAGED}"
            )

    def read(self, offset: int, dtype: DataType, count: int) -> np.ndarray:
        """Read ``count`` elements of the record whose metadata is at ``offset``.

        Returns:
            A writable (count,) array of ``dtype.numpy``. Elements of less than 8 bits are unpacked.

        Raises:
            ModelError: the record is outside the file, or holds other data.
        """
        place = f"{self._path}: the record at {offset}"
        if offset % _ALIGNMENT or offset + _ALIGNMENT > len(self._data):
            raise ModelError(f"{place} is outside the file or not aligned; {_DAMAGED}")
        sentinel, stored, size, start, padding_bits = _METADATA.unpack_from(self._data, offset)
        if sentinel != _SENTINEL:
            raise ModelError(f"{place} is not a record; {_DAMAGED}")
        if _STORED_TYPES.get(stored) != dtype.name:
            raise ModelError(
                f"{place} holds {_STORED_TYPES.get(stored, f'type {stored}')}, the program expects "
                f"{dtype.name}; {_DAMAGED}"
            )
        if start + size > len(self._data):
            raise ModelError(
                f"{place} needs {start + size} bytes of a file of {len(self._data)}: it was cut "
                "off; copy or convert it again"
            )
        if padding_bits >= 8 or size * 8 - padding_bits != count * dtype.bits:
            raise ModelError(
                f"{place} has {size} bytes, the program expects {count} elements of {dtype.name}; "
                f"{_DAMAGED}"
            )
        return unpack(self._data[start : start + size], dtype, count)


def unpack(data: bytes, dtype: DataType, count: int) -> np.ndarray:
    """Unpack ``count`` elements from their stored bytes, lowest bits first, as ``BlobFile.read`` does.

    There must be enough bytes.
    """
    if dtype.bits >= 8:
        return np.frombuffer(data, dtype.numpy.newbyteorder("<"), count).astype(dtype.numpy)
    # Eight elements fill as many bytes as one element has bits, so each group of eight gets its own word.
    groups = -(-count // 8)
    stored = np.zeros(groups * dtype.bits, np.uint8)
    used = (count * dtype.bits + 7) // 8
    stored[:used] = np.frombuffer(data, np.uint8, used)
    words = np.zeros((groups, 8), np.uint8)
    words[:, : dtype.bits] = stored.reshape(groups, dtype.bits)
    words = words.view("<u8")[:, 0]  # (groups, 8) → (groups,)
    values = np.empty((groups, 8), np.uint8)
    for position in range(8):
        values[:, position] = words >> np.uint64(position * dtype.bits)
    values = values.reshape(-1)[:count] & np.uint8((1 << dtype.bits) - 1)  # → (count,)
    if not dtype.signed:
        return values.astype(dtype.numpy)
    sign = 1 << (dtype.bits - 1)
    return ((values ^ sign).astype(np.int8) - np.int8(sign)).astype(dtype.numpy)
