"""Checks whether agreement with a module's outputs proves anything. Agreement with constants proves nothing."""

from collections.abc import Iterable, Sequence

import numpy as np

Arrays = Sequence[np.ndarray]  # the inputs or the outputs of one run


def unproven(inputs: Sequence[Arrays], outputs: Sequence[Arrays]) -> str | None:
    """Say why agreement with a module proves nothing; None if it proves something.

    A constant output beside others does no harm. But if a module has only constant outputs, a broken conversion
    could give the same.

    Args:
        inputs: the inputs of each run.
        outputs: the module's outputs in each run.
    """
    everything = [array for arrays in outputs for array in arrays]
    has_signal = any(array.any() for array in everything)
    if not has_signal and any(array.dtype.kind not in "biu" for array in everything):
        return "every output of the module is 0"
    if all(
        map(_is_constant, zip(*inputs, strict=False))
    ):  # not strict, since inputs may be optional
        return (
            None  # constant inputs, such as torch.ones, may have constant outputs for good reason
        )
    by_output = list(zip(*outputs, strict=False))
    # A single number from a single run cannot show that other runs would give the same.
    if all(sum(map(np.size, arrays)) > 1 and _is_constant(arrays) for arrays in by_output):
        return "every output of the module is one number, whatever it is given"
    if _differ(inputs) and not _differ(outputs):
        return "every output of the module is the same, whatever it is given"
    return None


def _is_constant(arrays: Iterable[np.ndarray]) -> bool:
    """Whether an input or an output is the same single number in all runs."""
    numbers = np.concatenate([array.ravel() for array in arrays])
    return bool((numbers == numbers[:1]).all())


def _differ(sets: Sequence[Arrays]) -> bool:
    return any(
        len(arrays) != len(sets[0]) or not all(map(np.array_equal, arrays, sets[0]))
        for arrays in sets
    )
