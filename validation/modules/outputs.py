"""Turns the nested outputs of a module into a list of named arrays, and matches those of its conversion to them."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from reference.common.errors import ArtifactError

Named = tuple[str, np.ndarray]
_NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)


def named_arrays(outputs: object) -> list[Named]:
    """The tensors in nested tuples, lists, dicts and dataclasses, in order, with their names.

    The name of a tensor is its dotted path of keys, names of fields, and indices from 0. A single tensor has
    the name "0". None is left out, because it has no counterpart in a conversion.

    Raises:
        ArtifactError: there are other values than tensors, or there is no tensor.
    """
    named = [(name or "0", to_array(tensor)) for name, tensor in _named_tensors(outputs, "")]
    if not named:
        raise ArtifactError("the module gives no tensor: expected at least one")
    return named


def to_array(tensor: Tensor) -> np.ndarray:
    """Copy a tensor of any type, on any device, to an array.

    Sparse and quantized tensors become the dense numbers that they stand for. Complex numbers get a further axis,
    (…, 2). Types that numpy lacks, such as bfloat16, become float32.
    """
    tensor = tensor.detach().cpu()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.is_floating_point() and tensor.dtype not in _NUMPY_FLOATS:
        tensor = tensor.float()
    return tensor.resolve_neg().numpy().copy()


def matched(actual: Sequence[Named], expected: Sequence[Named]) -> list[np.ndarray]:
    """The outputs of a conversion in the order of the module's outputs.

    Outputs are matched by name where both sides have the name, and the others in order.

    Raises:
        ArtifactError: the conversion has more or fewer outputs than the module.
    """
    if len(actual) != len(expected):
        raise ArtifactError(
            f"the conversion gives {len(actual)} outputs: expected {len(expected)}, as the module does"
        )
    known = {name for name, _ in expected}
    # Names do not help if one occurs twice: a tensor may be output twice, or two paths may read alike, such as "a.b".
    if len({name for name, _ in actual}) < len(actual) or len(known) < len(expected):
        return [values for _, values in actual]
    by_name = {name: values for name, values in actual if name in known}
    rest = iter([values for name, values in actual if name not in known])
    return [by_name[name] if name in by_name else next(rest) for name, _ in expected]


def _named_tensors(value: object, name: str) -> Iterator[tuple[str, Tensor]]:
    if value is None:
        return
    if isinstance(value, Tensor):
        yield name, value
        return
    if isinstance(value, bool | int | float | np.ndarray | np.generic):
        yield name, torch.as_tensor(value)
        return
    for key, item in _items(value):
        yield from _named_tensors(item, f"{name}.{key}" if name else str(key))


def _items(value: object) -> Iterator[tuple[object, object]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif dataclasses.is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    elif hasattr(value, "_asdict"):  # a named tuple
        yield from value._asdict().items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    else:
        raise ArtifactError(
            f"the module gives a {type(value).__name__}: expected tensors, and tuples, lists and "
            "dicts of them"
        )
