"""Operators that decode compressed constants. They run once, when a program is loaded.

Semantics: coremltools' ``ops/defs/iOS16/constexpr_ops.py`` and ``iOS18/compression.py``.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.blob_storage import unpack
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.model.value_types import UINT1, UINT2, UINT4, UINT6, UINT8
from validation.mil_runtime.operators.quantization import dequantize
from validation.mil_runtime.registry import operator

# Number of entries of a look-up table → type of its indices, which are packed without gaps.
_PACKED_INDICES = {2: UINT1, 4: UINT2, 16: UINT4, 64: UINT6, 256: UINT8}


@operator("constexpr_affine_dequantize", since=Opset.iOS16)
def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: int
) -> Tensor:
    return dequantize(quantized_data, scale, zero_point, axis)


@operator("constexpr_cast", since=Opset.iOS16)
def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    if output_dtype != "fp32":
        raise OperationError(f"output_dtype '{output_dtype}': expected fp32")
    return source_val


@operator("constexpr_lut_to_dense", since=Opset.iOS16, moves_data=True)
def constexpr_lut_to_dense_packed(indices: Tensor, lut: Tensor, shape: list[int]) -> Tensor:
    if lut.dim() != 1 or lut.numel() not in _PACKED_INDICES:
        raise OperationError(
            f"lut of shape {list(lut.shape)}: expected a vector of "
            f"{', '.join(map(str, _PACKED_INDICES))} entries"
        )
    dtype = _PACKED_INDICES[lut.numel()]
    count = math.prod(shape)
    _require_bytes(indices, count * dtype.bits, "indices")
    unpacked = torch.from_numpy(unpack(indices.numpy().tobytes(), dtype, count))
    return lut.take(unpacked.long()).reshape(shape)


@operator("constexpr_sparse_to_dense", since=Opset.iOS16, moves_data=True)
def constexpr_sparse_to_dense_packed(
    nonzero_data: Tensor, mask: Tensor, shape: list[int]
) -> Tensor:
    count = math.prod(shape)
    _require_bytes(mask, count, "mask")
    bits = np.unpackbits(mask.numpy(), bitorder="little", count=count)
    return _scatter(nonzero_data, torch.from_numpy(bits).reshape(shape))


@operator("constexpr_blockwise_shift_scale", since=Opset.iOS18)
def constexpr_blockwise_shift_scale(
    data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> Tensor:
    blocked, per_block = _block_shapes(data.shape, scale.shape, "scale")
    steps = data.to(scale.dtype).reshape(blocked)  # (n, …) → (groups, n / groups, …)
    if offset is not None:
        if offset.shape != scale.shape:
            raise OperationError(
                f"offset of shape {list(offset.shape)}: expected the shape of scale, {list(scale.shape)}"
            )
        steps = steps - offset.reshape(per_block)
    return (steps * scale.reshape(per_block)).reshape(data.shape)


@operator("constexpr_lut_to_dense", since=Opset.iOS18, moves_data=True)
def constexpr_lut_to_dense(indices: Tensor, lut: Tensor, vector_axis: int | None = None) -> Tensor:
    rows, vector = _rows(indices, lut), lut.shape[-1]
    if vector == 1:
        return lut.take(rows)
    axis = _vector_axis(vector_axis, indices.dim())
    table = lut.reshape(-1, vector)  # (groups…, entries, vector) → (rows, vector)
    vectors = table.index_select(0, rows.flatten()).reshape(*indices.shape, vector)
    # (…, n, …, vector) → (…, n, vector, …) → (…, n * vector, …)
    return vectors.movedim(-1, axis + 1).flatten(axis, axis + 1)


@operator("constexpr_sparse_to_dense", since=Opset.iOS18, moves_data=True)
def constexpr_sparse_to_dense(nonzero_data: Tensor, mask: Tensor) -> Tensor:
    return _scatter(nonzero_data, mask)


@operator("constexpr_lut_to_sparse", since=Opset.iOS18, moves_data=True)
def constexpr_lut_to_sparse(
    indices_mask: Tensor,
    indices_nonzero_data: Tensor,
    lut: Tensor,
    vector_axis: int | None = None,
) -> tuple[Tensor, Tensor]:
    indices = _scatter(indices_nonzero_data, indices_mask)
    dense = constexpr_lut_to_dense(indices, lut, vector_axis)
    mask = indices_mask
    if lut.shape[-1] > 1:
        axis = _vector_axis(vector_axis, indices.dim())
        mask = mask.repeat_interleave(lut.shape[-1], axis)
    return mask, _gather(dense, mask)


@operator("constexpr_sparse_blockwise_shift_scale", since=Opset.iOS18)
def constexpr_sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    dense = constexpr_blockwise_shift_scale(_scatter(nonzero_data, data_mask), scale, offset)
    return data_mask, _gather(dense, data_mask)


def _rows(indices: Tensor, lut: Tensor) -> Tensor:
    """Return the row of each index in the flattened tables (groups…, entries, vector)."""
    if lut.dim() != indices.dim() + 2:
        raise OperationError(
            f"lut of shape {list(lut.shape)}: expected two axes more than the indices' "
            f"{list(indices.shape)}"
        )
    *groups, entries, _ = lut.shape
    if indices.numel() and int(indices.max()) >= entries:
        raise OperationError(
            f"index {int(indices.max())}: expected one from 0 to {entries - 1}, because the lut has {entries} entries"
        )
    blocked, per_block = _block_shapes(indices.shape, groups, "lut")
    first_rows = torch.arange(math.prod(groups)) * entries
    rows = indices.reshape(blocked) + first_rows.reshape(per_block)
    return rows.reshape(indices.shape)


def _block_shapes(
    sizes: Sequence[int], groups: Sequence[int], name: str
) -> tuple[list[int], list[int]]:
    """Return two shapes: each axis n split into (groups, n / groups), and split with a value per block."""
    if len(sizes) != len(groups) or any(n % g for n, g in zip(sizes, groups, strict=True)):
        raise OperationError(
            f"{name} for {list(groups)} blocks: expected divisors of the shape {list(sizes)}"
        )
    blocked = [size for n, g in zip(sizes, groups, strict=True) for size in (g, n // g)]
    return blocked, [size for g in groups for size in (g, 1)]


def _scatter(nonzero: Tensor, mask: Tensor) -> Tensor:
    """Return a tensor of the mask's shape: the values, in order, where the mask is one; zero elsewhere."""
    positions = _positions(mask)
    if nonzero.dim() != 1 or len(positions) != nonzero.numel():
        raise OperationError(
            f"nonzero data of shape {list(nonzero.shape)}: the mask has {len(positions)} ones, expected "
            "one value for each"
        )
    dense = torch.zeros(mask.numel(), dtype=nonzero.dtype)
    dense.numpy()[positions] = nonzero.numpy()  # several times faster than masked_scatter
    return dense.reshape(mask.shape)


def _gather(dense: Tensor, mask: Tensor) -> Tensor:
    """Return the values where the mask is one, in order."""
    return dense.take(torch.from_numpy(_positions(mask)))


def _positions(mask: Tensor) -> np.ndarray:
    return np.flatnonzero(mask.numpy() != 0)


def _vector_axis(axis: int | None, rank: int) -> int:
    if axis is None or not -rank <= axis < rank:
        raise OperationError(f"vector_axis {axis}: expected one of the {rank} axes of the indices")
    return axis % rank


def _require_bytes(packed: Tensor, bits: int, name: str) -> None:
    if packed.numel() != (bits + 7) // 8:
        raise OperationError(f"{name} of {packed.numel()} bytes: the shape needs {bits} bits")
