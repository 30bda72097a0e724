"""Muon: momentum whose update of a matrix has singular values of about one, so that no direction is left behind.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the scale of Liu et al.,
"Muon is scalable for LLM training" (2025), under which learning rates are AdamW's. torch has one from version 2.9.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
SCALE = 0.2  # root mean square of an update, of the learning rate: about that of AdamW's
# Of the Newton-Schulz iteration: singular values of up to 1 are brought to 0.7…1.2 in five rounds.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """For parameters of two dimensions or more; kernels are matrices with a row for each of their first dimension."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
                ahead = parameter.grad.lerp(momentum, MOMENTUM)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonalized(ahead), alpha=-group["lr"])


def orthogonalized(update: Tensor) -> Tensor:
    """``update`` with singular values of about one, times a scale that makes all shapes' entries alike in size.

    Computed in bfloat16: the iteration corrects itself.
    """
    matrix = update.flatten(1)
    rows, columns = matrix.shape
    a, b, c = COEFFICIENTS
    x = (matrix.T if rows > columns else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        products = x @ x.T
        x = a * x + (b * products + c * products @ products) @ x
    x = x.T if rows > columns else x
    return (SCALE * max(rows, columns) ** 0.5 * x).to(update.dtype).view_as(update)
