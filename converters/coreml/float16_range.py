"""Measuring how much of the range of float16 a module uses, by running it in float32."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

FLOAT16_MAX = torch.finfo(torch.float16).max  # 65504
# The smallest positive number, 2**-24.
FLOAT16_TINIEST = torch.finfo(torch.float16).smallest_normal * torch.finfo(torch.float16).eps

# ATen operators that only move values. Their results are those of other operators, or inputs.
_MOVING_OPERATORS = frozenset(
    (
        "_reshape_alias",
        "_to_copy",
        "_unsafe_view",
        "alias",
        "cat",
        "clone",
        "constant_pad_nd",
        "copy_",
        "detach",
        "expand",
        "permute",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "stack",
        "t",
        "transpose",
        "unbind",
        "unsqueeze",
        "view",
    )
)

_LAYER_NORM = torch.ops.aten.native_layer_norm.default


@dataclass(frozen=True)
class Ranges:
    """The largest magnitudes that were observed.

    Attributes:
        inputs: largest magnitude of each input of the module, in order.
        results: (innermost running module, operator) → largest magnitude of the operator's results. The operator has
            its name in ATen, such as ``"gelu"``. Operators that only move values are left out.
        squares: layer normalization → largest square of its input minus the mean of the input. These squares are not
            results, but a runtime may compute them in float16.
    """

    inputs: tuple[float, ...]
    results: Mapping[tuple[nn.Module, str], float]
    squares: Mapping[nn.Module, float]

    def largest(self, modules: Iterable[nn.Module]) -> float:
        """Return the largest result of ``modules``, without the modules that they call; 0 without results."""
        members = set(modules)
        return max(
            (value for (module, _), value in self.results.items() if module in members), default=0.0
        )


def value_headroom(magnitude: float) -> float:
    """Return how many times larger a value may become before it leaves float16; below 1 if it has left it."""
    return FLOAT16_MAX / magnitude if magnitude else math.inf


def square_headroom(square: float) -> float:
    """Return how many times larger a value may become before its square leaves float16, given that square."""
    return math.sqrt(value_headroom(square))


@torch.no_grad()
def measure_ranges(module: nn.Module, inputs: Iterable[tuple[Tensor, ...]]) -> Ranges:
    """Run ``module`` on ``inputs`` and record the largest magnitudes. NaN counts as infinite."""
    largest_inputs: list[float] = []
    observer = _Observer()
    with _running_modules(module, observer.running), observer:
        for tensors in inputs:
            magnitudes = [_magnitude(tensor) for tensor in tensors]
            largest_inputs = list(map(max, magnitudes, largest_inputs or magnitudes))
            module(*tensors)
    return Ranges(tuple(largest_inputs), dict(observer.results), dict(observer.squares))


class _Observer(TorchDispatchMode):
    """Records the largest magnitudes of all operations that run while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[nn.Module] = []  # modules whose forward is running, innermost last
        self.results: dict[tuple[nn.Module, str], float] = defaultdict(float)
        self.squares: dict[nn.Module, float] = defaultdict(float)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        operator = func.overloadpacket.__name__
        if self.running and operator not in _MOVING_OPERATORS:
            module = self.running[-1]
            results = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
            if func is _LAYER_NORM:
                centered = args[0] - args[0].mean(-1, keepdim=True)
                self.squares[module] = max(self.squares[module], _magnitude(centered) ** 2)
                results = results[:1]  # the others (mean, 1/deviation) only serve the derivative
            key = module, operator
            self.results[key] = max(self.results[key], *map(_magnitude, results))
        return outputs


def _magnitude(value: object) -> float:
    """Return the largest absolute value in a float tensor, infinity if it has NaN, and 0 for other objects."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.numel():
        return 0.0
    low, high = (bound.item() for bound in _in_memory_order(value).aminmax())
    return math.inf if math.isnan(low) else max(high, -low)


def _in_memory_order(value: Tensor) -> Tensor:
    """Return a view whose axes are sorted by stride. torch copies a tensor before ``aminmax`` if they are not."""
    axes = sorted(range(value.dim()), key=value.stride, reverse=True)
    return value.permute(axes)


@contextmanager
def _running_modules(root: nn.Module, running: list[nn.Module]) -> Iterator[None]:
    """Keep ``running`` a stack of the modules whose ``forward`` is running."""
    hooks = []
    for module in root.modules():
        hooks.append(module.register_forward_pre_hook(lambda module, _: running.append(module)))
        hooks.append(module.register_forward_hook(lambda *_: running.pop() and None))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
