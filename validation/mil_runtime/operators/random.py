"""Operators that draw random numbers.

Semantics: coremltools' ``ops/defs/iOS15/random.py``. It is unknown which numbers Core ML draws for a seed.
Here they depend only on the seed, and not on the numerics. A negative seed, which is the default, draws the
next numbers of the program's own generator.
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
    # The numbers are drawn in the declared type, because rounding to it afterwards could give 1.
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
