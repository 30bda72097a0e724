"""Operators on the elements of two tensors, which are broadcast against each other.

Semantics: coremltools' ``ops/defs/iOS15/elementwise_binary.py``.
"""

import torch
from torch import Tensor

from validation.mil_runtime.registry import operator

# torch's kernels for these round float16 once, as if computed in float32.
_WITH_HALF_KERNEL = {
    "add": torch.add,
    "equal": torch.eq,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mul": torch.mul,
    "not_equal": torch.ne,
    "sub": torch.sub,
}
_WIDENED = {
    "floor_div": torch.floor_divide,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "mod": torch.remainder,  # the result has the sign of the divisor
    "pow": torch.pow,
}


def _of_two_tensors(function):
    def compute(x: Tensor, y: Tensor) -> Tensor:
        return function(x, y)

    return compute


for _kind, _function in _WITH_HALF_KERNEL.items():
    operator(_kind, half_kernel=True)(_of_two_tensors(_function))
for _kind, _function in _WIDENED.items():
    operator(_kind)(_of_two_tensors(_function))


@operator("real_div", half_kernel=True)
def real_div(x: Tensor, y: Tensor) -> Tensor:
    if x.is_floating_point() or y.is_floating_point():
        return x / y
    return torch.div(x, y, rounding_mode="trunc")  # integers give integers
