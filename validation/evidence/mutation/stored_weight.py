"""The parts that a weight of few bits is stored in, in packages and in ``.ptl`` files alike, and how to change them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from converters.quantization.weight_formats import Integers, Palette, WeightFormat
from validation.evidence.mutation.package_edit import EditablePackage


@dataclass(frozen=True, eq=False)
class StoredWeight:
    """A weight as indexes of levels. Each weight is a level times a scale.

    Attributes:
        indexes: integers in the shape of the weight.
        levels: (2**bits,), ascending in a sound artifact. They are all integers of that many bits, or a palette.
        scales: a scale for each block of weights, or None. The number of axes is that of the weight.
    """

    indexes: np.ndarray
    levels: np.ndarray
    scales: np.ndarray | None

    def steps_of(self, weights: np.ndarray) -> np.ndarray:
        """Return float weights in the unit of the levels."""
        if self.scales is None:
            return weights
        scales = self.scales
        for axis, (length, blocks) in enumerate(zip(weights.shape, scales.shape, strict=True)):
            scales = scales.repeat(length // blocks, axis)
        return weights / scales


WeightChange = Callable[[StoredWeight], StoredWeight]


def change_in_package(
    package: EditablePackage, path: str, weight_format: WeightFormat, change: WeightChange
) -> None:
    """Change the weight of a layer in a Core ML package.

    Args:
        package: the package.
        path: the path of the layer in the export module.
        weight_format: how the package stores the weight.
        change: what makes the changed weight.
    """
    parts = _PackagedWeight(package, path, weight_format)
    before = parts.read()
    parts.write(before, change(before))


def change_in_module(module: nn.Module, path: str, change: WeightChange) -> None:
    """Change the weight of a layer in a module that ``torchscript.quantization.quantize`` made, in place."""
    stored = module.get_submodule(path).parametrizations.weight
    codes, scales = stored.original0, stored.original1
    levels = _all_integers(8)
    before = StoredWeight(codes.numpy().astype(int) - int(levels[0]), levels, scales.numpy())
    after = change(before)
    codes.data = torch.from_numpy(after.levels[after.indexes].astype(np.int8))
    scales.data = torch.from_numpy(after.scales.astype(np.float32))


class _PackagedWeight:
    """The constants that a package stores a weight in, for any deployment target."""

    def __init__(self, package: EditablePackage, path: str, weight_format: WeightFormat) -> None:
        self._package, self._format = package, weight_format
        name = f"{path.replace('.', '_')}_weight"
        decode = next(
            item
            for item in package.block.operations
            if item.outputs[0].name in (f"{name}_quantized", f"{name}_to_fp16_quantized")
        )
        self._shape = [
            dimension.constant.size for dimension in decode.outputs[0].type.tensorType.dimensions
        ]
        self._scale = self._table = None
        if decode.type != "constexpr_lut_to_dense":
            self._scale = package.parameter(decode, "scale")
        is_palette = isinstance(weight_format, Palette)
        if is_palette and self._scale is not None:
            decode = package.producer(decode, "data")
        if is_palette:
            self._table = package.parameter(decode, "lut")
        blockwise = decode.type == "constexpr_blockwise_shift_scale"
        name = "indices" if is_palette else "data" if blockwise else "quantized_data"
        self._codes = package.parameter(decode, name)

    def read(self) -> StoredWeight:
        bits = self._format.bits
        unsigned = _unpacked(self._package.numbers(self._codes), bits, self._shape)
        if isinstance(self._format, Integers):
            # Two's complement: the highest bit stands for the negative half.
            indexes, levels = unsigned ^ (1 << bits - 1), _all_integers(bits)
        else:
            indexes, levels = unsigned, self._package.numbers(self._table).reshape(-1)
        return StoredWeight(indexes, levels.astype(np.float32), self._read_scales())

    def write(self, before: StoredWeight, after: StoredWeight) -> None:
        """Write the parts that differ."""
        bits = self._format.bits
        if not np.array_equal(before.indexes, after.indexes):
            is_integer = isinstance(self._format, Integers)
            unsigned = after.indexes ^ (1 << bits - 1) if is_integer else after.indexes
            self._package.edit(self._codes, lambda old: _packed(unsigned, bits, old))
        if not np.array_equal(before.levels, after.levels):
            self._package.edit(self._table, lambda old: after.levels.reshape(old.shape))
        if before.scales is not None and not np.array_equal(before.scales, after.scales):
            self._package.edit(self._scale, lambda old: after.scales.reshape(old.shape))

    def _read_scales(self) -> np.ndarray | None:
        if self._scale is None:
            return None
        scales = self._package.numbers(self._scale).astype(np.float32)
        if scales.ndim == 1:  # iOS 16 has one scale per output channel
            scales = scales.reshape(-1, *[1] * (len(self._shape) - 1))
        return scales


def _all_integers(bits: int) -> np.ndarray:
    half = 1 << bits - 1
    return np.arange(-half, half, dtype=np.float32)


def _unpacked(stored: np.ndarray, bits: int, shape: list[int]) -> np.ndarray:
    """Return codes as unsigned integers. They are packed with the lowest bits first."""
    count = int(np.prod(shape))
    flat = np.unpackbits(stored.reshape(-1).view(np.uint8), bitorder="little")[: count * bits]
    places = 1 << np.arange(bits)
    return (flat.reshape(count, bits) * places).sum(1).reshape(shape)


def _packed(codes: np.ndarray, bits: int, like: np.ndarray) -> np.ndarray:
    places = codes.reshape(-1, 1) >> np.arange(bits) & 1
    stored = np.packbits(places.astype(np.uint8), bitorder="little").view(like.dtype)
    return stored.reshape(like.shape)
