"""Whether a module's intermediate values stay within float16, measured by running it."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from reference.errors import ConversionError

FLOAT16_MAX = torch.finfo(torch.float16).max  # 65504


class _LargestMagnitude(TorchDispatchMode):
    """Remembers the operation with the largest result, among every one that runs under it.

    A layer normalisation's inner squares count as results: a runtime may compute them in float16.
    """

    def __init__(self) -> None:
        super().__init__()
        self.magnitude, self.operator = 0.0, ""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        outputs = result if isinstance(result, (tuple, list)) else (result,)
        if func is torch.ops.aten.native_layer_norm.default:
            centred = args[0] - args[0].mean(-1, keepdim=True)
            outputs = (*outputs, centred.square())
        for output in outputs:
            if isinstance(output, Tensor) and output.is_floating_point() and output.numel():
                self._observe(str(func), output.abs().amax().item())
        return result

    def _observe(self, operator: str, magnitude: float) -> None:
        if not magnitude <= self.magnitude:  # also true of NaN
            self.magnitude, self.operator = magnitude, operator


@torch.no_grad()
def largest_magnitude(module: nn.Module, inputs: Iterable[tuple[Tensor, ...]]) -> tuple[float, str]:
    """The largest absolute value that any operation of ``module`` gives on ``inputs``, and its operator."""
    with _LargestMagnitude() as observer:
        for tensors in inputs:
            module(*tensors)
    return observer.magnitude, observer.operator


def require_float16_range(
    name: str, module: nn.Module, inputs: Iterable[tuple[Tensor, ...]]
) -> None:
    """Raise ConversionError if ``module`` leaves the range of float16 anywhere on ``inputs``."""
    magnitude, operator = largest_magnitude(module, inputs)
    if not magnitude <= FLOAT16_MAX:
        raise ConversionError(
            f"{name} computes {magnitude:.4g} in {operator}, beyond float16's largest number, "
            f"{FLOAT16_MAX:.0f}: convert with --quantize none, which computes in float32"
        )
