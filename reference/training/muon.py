"""Muon, an optimizer whose updates of a matrix have singular values of about one, so that all directions are learned.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). The scale is that of Liu et
al., "Muon is scalable for LLM training" (2025), with which the learning rates of AdamW apply. torch has Muon from
version 2.9.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
SCALE = 0.2  # root mean square of an update, relative to the learning rate; about that of AdamW
# Coefficients of the Newton-Schulz iteration, which brings singular values of up to 1 to 0.7…1.2 in five rounds.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Muon for parameters with two or more dimensions. A kernel counts as a matrix with one row per output channel."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
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
    """Return ``update`` with singular values of about one, scaled so that entries have the same size for all shapes.

    bfloat16 is precise enough, because the iteration corrects itself.
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
