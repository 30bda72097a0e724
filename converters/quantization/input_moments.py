"""Measuring what the layers of a module read, which says how much each error of a weight matters."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from converters.quantization.weight_matrix import input_columns

# The path of each layer → the second moments of its inputs, float64 (groups, columns, columns): the sum of x·xᵀ over
# what the layer read. An error E of its matrix changes the layer's outputs by the square sum tr(E M Eᵀ).
InputMoments = Mapping[str, Tensor]

# So many positions of an image say enough about it.
_MOST_POSITIONS = 8192


@torch.no_grad()
def measure_input_moments(
    module: nn.Module, layers: Iterable[str], inputs: Iterable[tuple[Tensor, ...]]
) -> InputMoments:
    """Run ``module`` on ``inputs``, and sum up the second moments of what some of its layers read.

    Args:
        module: a module in eval mode.
        layers: the paths of the linear layers and convolutions. ``module`` calls each of them.
        inputs: real inputs of the module.
    """
    moments: dict[str, Tensor] = {}

    def observe(path: str) -> Callable:
        def hook(layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            columns = input_columns(layer, arguments[0])
            step = (
                columns.shape[2] // _MOST_POSITIONS | 1
            )  # an odd step meets all columns of an image
            # In float32, sums differ in their last bits between two processes, and so would the rounded weights.
            columns = columns[:, :, ::step].double()
            products = columns @ columns.transpose(1, 2)
            moments[path] = moments[path].add_(products) if path in moments else products

        return hook

    hooks = [module.get_submodule(path).register_forward_pre_hook(observe(path)) for path in layers]
    try:
        for tensors in inputs:
            module(*tensors)
    finally:
        for hook in hooks:
            hook.remove()
    return moments
