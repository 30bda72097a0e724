"""How much of float16's range a module uses, measured by running it in float32."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

FLOAT16_MAX = torch.finfo(torch.float16).max  # 65504
FLOAT16_TINIEST = (
    torch.finfo(torch.float16).smallest_normal * torch.finfo(torch.float16).eps
)  # 2**-24

_LAYER_NORM = torch.ops.aten.native_layer_norm.default


@dataclass(frozen=True)
class Ranges:
    """The largest magnitudes that were seen.

    Attributes:
        inputs: of each input of the module, in its order.
        results: of what each operator computed while a module was the innermost one that ran. The operator
            is called by its name in ATen, such as ``"gelu"``.
        squares: of what each layer normalization squared, its input less the input's mean. They are not
            results, but a runtime may compute them in float16.
    """

    inputs: tuple[float, ...]
    results: Mapping[tuple[nn.Module, str], float]
    squares: Mapping[nn.Module, float]

    def largest(self, modules: Iterable[nn.Module]) -> float:
        """The largest result of ``modules`` themselves, not of what they call; 0 if they computed none."""
        members = set(modules)
        return max(
            (value for (module, _), value in self.results.items() if module in members), default=0.0
        )


def value_headroom(magnitude: float) -> float:
    """How many times larger a value may be before it leaves float16; below 1 if it has left it."""
    return FLOAT16_MAX / magnitude if magnitude else math.inf


def square_headroom(square: float) -> float:
    """How many times larger a value may be before its square, which is given, leaves float16."""
    return math.sqrt(value_headroom(square))


@torch.no_grad()
def measure_ranges(module: nn.Module, inputs: Iterable[tuple[Tensor, ...]]) -> Ranges:
    """Run ``module`` on ``inputs`` and remember the largest magnitudes; NaN counts as infinite."""
    largest_inputs: list[float] = []
    observer = _Observer()
    with _running_modules(module, observer.running), observer:
        for tensors in inputs:
            magnitudes = [_magnitude(tensor) for tensor in tensors]
            largest_inputs = list(map(max, magnitudes, largest_inputs or magnitudes))
            module(*tensors)
    return Ranges(tuple(largest_inputs), dict(observer.results), dict(observer.squares))


class _Observer(TorchDispatchMode):
    """Sees every operation that runs under it."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[nn.Module] = []  # the modules whose forward runs, innermost last
        self.results: dict[tuple[nn.Module, str], float] = defaultdict(float)
        self.squares: dict[nn.Module, float] = defaultdict(float)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        if self.running:
            module = self.running[-1]
            results = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
            if func is _LAYER_NORM:
                centered = args[0] - args[0].mean(-1, keepdim=True)
                self.squares[module] = max(self.squares[module], _magnitude(centered) ** 2)
                results = results[:1]  # the others, mean and 1/deviation, serve its derivative
            key = module, func.overloadpacket.__name__
            self.results[key] = max(self.results[key], *map(_magnitude, results))
        return outputs


def _magnitude(value: object) -> float:
    """The largest absolute value in a float tensor; infinity for NaN, and 0 for anything else."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.numel():
        return 0.0
    magnitude = value.abs().amax().item()
    return math.inf if math.isnan(magnitude) else magnitude


@contextmanager
def _running_modules(root: nn.Module, running: list[nn.Module]) -> Iterator[None]:
    """Keep ``running`` a stack of the modules whose ``forward`` runs."""
    hooks = []
    for module in root.modules():
        hooks.append(module.register_forward_pre_hook(lambda module, _: running.append(module)))
        hooks.append(module.register_forward_hook(lambda *_: running.pop() and None))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
