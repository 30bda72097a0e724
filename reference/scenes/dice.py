"""Random numbers of several scenes at once, each scene's from its own seed."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reference.scenes.seeds import mixed_seed


class Dice:
    """Draws tensors of shape (B, …) on the CPU; row b depends on seed b and on the draws before only."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(mixed_seed(seed)) for seed in seeds]

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Evenly distributed from ``low`` to ``high``: float32 (B, *shape)."""
        return low + (high - low) * self._draw(torch.rand, shape)

    def normal(self, *shape: int) -> Tensor:
        """Normally distributed, mean 0 and deviation 1: float32 (B, *shape)."""
        return self._draw(torch.randn, shape)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Every doubling between ``low`` and ``high`` alike: float32 (B, *shape)."""
        return low * (high / low) ** self.uniform(0, 1, *shape)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """True with the given probability: bool (B, *shape)."""
        return self.uniform(0, 1, *shape) < probability

    def choice(self, weights: Sequence[float], *shape: int) -> Tensor:
        """Indices into ``weights``, each as often as its weight says: int64 (B, *shape)."""
        steps = torch.tensor(weights, dtype=torch.float64).cumsum(0)
        draws = self.uniform(0, 1, *shape).double() * steps[-1]
        return torch.searchsorted(steps, draws, right=True).clamp(max=len(weights) - 1)

    def _draw(self, function: Callable[..., Tensor], shape: Sequence[int]) -> Tensor:
        return torch.stack([function(shape, generator=each) for each in self._generators])
