"""Drawing random numbers for several scenes at once, each scene from its own seed."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reference.scenes.seeds import mixed_seed


class Dice:
    """Draws tensors of shape (B, …) on the CPU. Row b depends only on seed b and on the earlier draws."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(mixed_seed(seed)) for seed in seeds]

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw from the uniform distribution between ``low`` and ``high``: float32 (B, *shape)."""
        return low + (high - low) * self._draw(torch.rand, shape)

    def normal(self, *shape: int) -> Tensor:
        """Draw from the normal distribution with mean 0 and standard deviation 1: float32 (B, *shape)."""
        return self._draw(torch.randn, shape)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw values between ``low`` and ``high`` whose logarithm is uniform: float32 (B, *shape)."""
        return low * (high / low) ** self.uniform(0, 1, *shape)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """Draw booleans that are True with the given probability: bool (B, *shape)."""
        return self.uniform(0, 1, *shape) < probability

    def choice(self, weights: Sequence[float], *shape: int) -> Tensor:
        """Draw indices into ``weights`` with probabilities proportional to the weights: int64 (B, *shape)."""
        steps = torch.tensor(weights, dtype=torch.float64).cumsum(0)
        draws = self.uniform(0, 1, *shape).double() * steps[-1]
        return torch.searchsorted(steps, draws, right=True).clamp(max=len(weights) - 1)

    def _draw(self, function: Callable[..., Tensor], shape: Sequence[int]) -> Tensor:
        return torch.stack([function(shape, generator=each) for each in self._generators])
