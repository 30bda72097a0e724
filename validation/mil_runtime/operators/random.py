"""Operators that draw random numbers.

Semantics: coremltools' ``ops/defs/iOS15/random.py``. Which numbers Core ML draws for a seed is not
known; here they follow from the seed alone, whatever the numerics. A negative seed, the default,
draws from the program's own source, on and on.
"""

import torch
from torch import Tensor

from validation.mil_runtime.arithmetic.sizes import checked_shape
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import Context, operator


@operator("random_uniform")
def random_uniform(
    shape: list[int], context: Context, low: float = 0.0, high: float = 1.0, seed: int = -1
) -> Tensor:
    # Drawn in the declared type, which has numbers below 1 only: rounding could make it 1.
    unit = torch.rand(
        checked_shape(shape),
        generator=context.generator(seed),
        dtype=context.declared().dtype.torch,
    )
    return low + (high - low) * unit.to(context.numerics.compute)


@operator("random_normal")
def random_normal(
    shape: list[int], context: Context, mean: float = 0.0, stddev: float = 1.0, seed: int = -1
) -> Tensor:
    standard = torch.randn(
        checked_shape(shape), generator=context.generator(seed), dtype=torch.float64
    )
    return (mean + stddev * standard).to(context.numerics.compute)


@operator("random_bernoulli")
def random_bernoulli(
    shape: list[int], context: Context, prob: float = 0.5, seed: int = -1
) -> Tensor:
    if not 0 <= prob <= 1:
        raise OperationError(f"prob {prob}: expected a probability, 0 to 1")
    unit = torch.rand(checked_shape(shape), generator=context.generator(seed), dtype=torch.float64)
    return (unit < prob).to(context.numerics.compute)


@operator("random_categorical")
def random_categorical(
    x: Tensor, context: Context, mode: str = "logits", size: int = 1, seed: int = -1
) -> Tensor:
    if mode not in ("logits", "probs"):
        raise OperationError(f"mode '{mode}': expected logits or probs")
    checked_shape([*x.shape[:-1], size])
    weights = x.double().softmax(-1) if mode == "logits" else x.double()
    drawn = torch.multinomial(
        weights.reshape(-1, x.shape[-1]),  # (…, classes) → (rows, classes)
        size,
        replacement=True,
        generator=context.generator(seed),
    )
    return drawn.reshape(*x.shape[:-1], size).to(context.numerics.compute)
