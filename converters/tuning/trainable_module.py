"""A quantized export module whose floats are learned, while its quantized weights stay as they were rounded."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from converters.quantization.quantized_weight import QuantizedWeight

_SMALLEST_UNIT = 1e-3  # of changes. A tensor of zeros could not change otherwise.
_TOLERANCE = 1e-5  # of the largest number of a parameter


class TrainableModule:
    """An export module with quantized weights, which learns for the same module of any format.

    Biases, normalizations, small layers and all other floats are learned. Each of them is its start value plus a
    learned change, which is relative to the mean magnitude of the tensor. So one learning rate suits all. The few
    parameters that a format holds in another order are not learned.

    Attributes:
        changes: the learned changes by the name of the parameter. They are zeros at first.
    """

    def __init__(
        self, module: nn.Module, weights: Mapping[str, QuantizedWeight], target: nn.Module
    ) -> None:
        """Take the modules, which are not changed.

        Args:
            module: the module that learns. Its gradients can be computed.
            weights: path of a layer → its quantized weight.
            target: the module of the format, whose parameters have the same names.
        """
        self._module = module
        self._fixed = {f"{path}.weight": weight.values for path, weight in weights.items()}
        self._starts = {
            name: parameter.detach()
            for name, parameter in module.named_parameters()
            if name not in self._fixed and _is_same(parameter, target.get_parameter(name))
        }
        self.changes = {
            name: torch.zeros_like(start).requires_grad_() for name, start in self._starts.items()
        }

    def __call__(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the module with what was learned. Gradients reach ``changes``."""
        learned = {name: self._value(name) for name in self._starts}
        return functional_call(self._module, learned | self._fixed, inputs)

    @torch.no_grad()
    def copy_to(self, target: nn.Module) -> None:
        """Give a module of the format what was learned. Its large weights stay floats, as they were."""
        for name, start in self._starts.items():
            parameter = target.get_parameter(name)
            parameter.copy_(_in_format(self._value(name), start, parameter))

    def _value(self, name: str) -> Tensor:
        start = self._starts[name]
        return start + start.abs().mean().clamp(min=_SMALLEST_UNIT) * self.changes[name]


def _is_same(parameter: Tensor, in_format: Tensor) -> bool:
    if in_format.numel() % parameter.numel():
        return False
    expected = _in_format(parameter, parameter, in_format)
    difference = (expected - in_format).abs().max()
    return bool(difference <= _TOLERANCE * in_format.abs().max())


def _in_format(value: Tensor, start: Tensor, in_format: Tensor) -> Tensor:
    """Return a new value of a parameter as a format holds it: in another shape, times a constant, or repeated."""
    largest = start.abs().max()
    factor = in_format.abs().max() / largest if largest > 0 else 1.0
    repeats = in_format.numel() // start.numel()
    return (factor * value).flatten().repeat(repeats).reshape(in_format.shape)
