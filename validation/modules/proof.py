"""Whether agreement with a module's outputs proves anything: with constants it does not."""

from collections.abc import Iterable, Sequence

import numpy as np

Arrays = Sequence[np.ndarray]  # the inputs, or the outputs, of one set


def unproven(inputs: Sequence[Arrays], outputs: Sequence[Arrays]) -> str | None:
    """Why agreement with a module proves nothing, in words; None if it proves something.

    A constant beside another output does no harm; of a module that has nothing else, a broken conversion
    would give the same.

    Args:
        inputs: of each set.
        outputs: what the module gave for it.
    """
    everything = [array for arrays in outputs for array in arrays]
    has_signal = any(array.any() for array in everything)
    if not has_signal and any(array.dtype.kind not in "biu" for array in everything):
        return "every output of the module is 0"
    if all(map(_is_constant, zip(*inputs, strict=False))):  # optional ones may be left out
        return None  # such as torch.ones, which may well have constant outputs
    by_output = list(zip(*outputs, strict=False))
    # A single number, of a single set, does not say what the next would be.
    if all(sum(map(np.size, arrays)) > 1 and _is_constant(arrays) for arrays in by_output):
        return "every output of the module is one number, whatever it is given"
    if _differ(inputs) and not _differ(outputs):
        return "every output of the module is the same, whatever it is given"
    return None


def _is_constant(arrays: Iterable[np.ndarray]) -> bool:
    """Whether all sets have one number, and no other, of an input or an output."""
    numbers = np.concatenate([array.ravel() for array in arrays])
    return bool((numbers == numbers[:1]).all())


def _differ(sets: Sequence[Arrays]) -> bool:
    return any(
        len(arrays) != len(sets[0]) or not all(map(np.array_equal, arrays, sets[0]))
        for arrays in sets
    )
