"""Activation functions.

Semantics: coremltools' ``ops/defs/iOS15/activation.py``. iOS 17 only adds that parameters may have
another floating-point type than ``x``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.pieces import elementwise
from validation.mil_runtime.arithmetic.tables import Table
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import operator

# Above this, log(1 + eˣ) equals x in any type. Below it, eˣ is finite in float32.
_SOFTPLUS_IS_LINEAR = 50.0


@operator("relu", half_kernel=True)
def relu(x: Tensor) -> Tensor:
    return x.relu()


@operator("relu6", half_kernel=True)
def relu6(x: Tensor) -> Tensor:
    return x.clamp(0, 6)


@operator("sigmoid", half_kernel=True)
def sigmoid(x: Tensor) -> Tensor:
    return x.sigmoid()


@operator("silu", half_kernel=True)
def silu(x: Tensor) -> Tensor:
    return F.silu(x)


@operator("softmax", half_kernel=True)
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    if x.dtype == torch.float16 and axis not in (-1, x.dim() - 1):
        x = x.float()  # on other axes the float16 kernel rounds more than once
    return x.softmax(axis)


@operator("leaky_relu")
def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    return F.leaky_relu(x, alpha)


@operator("softplus")
def softplus(x: Tensor) -> Tensor:
    return F.softplus(x, threshold=_SOFTPLUS_IS_LINEAR)


@operator("softsign")
def softsign(x: Tensor) -> Tensor:
    return F.softsign(x)


@operator("elu")
def elu(x: Tensor, alpha: float) -> Tensor:
    return F.elu(x, alpha)


@operator("clamped_relu")
def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    return F.leaky_relu(x, alpha).clamp(max=beta)


@operator("thresholded_relu")
def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    return x.masked_fill(x < alpha, 0)


@operator("linear_activation")
def linear_activation(x: Tensor, alpha: float, beta: float) -> Tensor:
    return x * alpha + beta


@operator("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    return (x * alpha + beta).clamp(0, 1)


@operator("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    return alpha * (x * beta).tanh()


@operator("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * _per_channel(alpha, x, "alpha"))


@operator("softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    scaled = x * _per_channel(beta, x, "beta")
    return _per_channel(alpha, x, "alpha") * softplus(scaled)


def _exact_gelu(x: Tensor) -> Tensor:
    # This is ½ x erfc(-x / √2). For x far below 0, 1 + erf(x / √2) cancels in float32 and keeps fewer
    # digits than float16 can hold; erfc keeps them.
    return torch.special.erfc(x * -(0.5**0.5)).mul_(x).mul_(0.5)


def _tanh_gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _sigmoid_gelu(x: Tensor) -> Tensor:
    return x * (1.702 * x).sigmoid()


# Mode → the function, and a table of its float16 results.
_GELUS = {
    "EXACT": (F.gelu, Table(_exact_gelu)),
    "TANH_APPROXIMATION": (_tanh_gelu, Table(_tanh_gelu)),
    "SIGMOID_APPROXIMATION": (_sigmoid_gelu, Table(_sigmoid_gelu)),
}


@operator("gelu", half_kernel=True)
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode not in _GELUS:
        raise OperationError(
            f"mode '{mode}': expected EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION"
        )
    function, table = _GELUS[mode]
    if x.dtype == torch.float16:
        return table.look_up(x)
    if not x.is_contiguous():  # torch has another kernel for it
        return function(x)
    return elementwise(lambda piece, result: result.copy_(function(piece)), x)


def _per_channel(parameter: Tensor, x: Tensor, name: str) -> Tensor:
    """Reshape one value per channel of ``x`` (B, C, …), so that it broadcasts against ``x``."""
    if x.dim() < 2 or tuple(parameter.shape) != (x.shape[1],):
        raise OperationError(
            f"{name} of shape {list(parameter.shape)}: expected one value for each channel of x, "
            f"which has the shape {list(x.shape)}"
        )
    return parameter.reshape(-1, *[1] * (x.dim() - 2))  # (C,) → (C, 1, …)
