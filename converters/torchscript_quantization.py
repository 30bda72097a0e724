"""TorchScript's schemes: what a module's weights are stored as, and what computes with them.

Only the weights of linear layers and convolutions are touched: they are 99 % of the bytes. Norms,
biases, positional tables and attention biases stay float32.

Why ``int8`` is made the way it is, measured with seeded weights on six photos and four prompts
each (mean and lowest IoU over all four masks, encoder and decoder both converted):

    linear layers            convolutions       mean    lowest
    int8, per channel        half               TODO
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from reference.errors import ConversionError

SCHEMES = ("none", "fp16", "int8")  # float32; stored half, computed float32; int8 kernels

_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
_PHONE_ENGINE = "qnnpack"
_INT8_MAX = 127  # symmetric: -128 is not used, as qnnpack's per-channel weights want it


def quantize(module: nn.Module, scheme: str) -> nn.Module:
    """A copy of ``module`` with its weights stored as ``scheme`` says; the original is unchanged.

    Raises ConversionError if a weight does not fit float16. Needs ``phone_engine`` for ``int8``.
    """
    module = copy.deepcopy(module).requires_grad_(False)
    if scheme == "int8":
        _use_int8_linears(module)
    if scheme in ("fp16", "int8"):
        _store_weights_as_half(module)
    return module


@contextmanager
def phone_engine() -> Iterator[None]:
    """Run quantised operators as phones do: with qnnpack, which packs and rounds its own way."""
    if _PHONE_ENGINE not in torch.backends.quantized.supported_engines:
        raise ConversionError(
            f"this build of torch has no {_PHONE_ENGINE}, which int8 on phones needs: use one of "
            "the official wheels for Linux or macOS"
        )
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = _PHONE_ENGINE
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


class HalfWeight(nn.Module):
    """Parametrisation: a weight that is stored as float16 and used as float32.

    The cast is part of ``forward``, so that tracing records it as an operation on the stored tensor.
    """

    def right_inverse(self, weight: Tensor) -> tuple[Tensor]:
        """float32 → what is stored. In a tuple: a lone tensor may not change its dtype."""
        return (weight.half(),)

    def forward(self, stored: Tensor) -> Tensor:
        return stored.float()


def _store_weights_as_half(module: nn.Module) -> None:
    """Store, in place, the weights of all linear layers and convolutions as float16."""
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, _LAYERS)]
    for name, layer in layers:
        if not torch.isfinite(layer.weight.half()).all():
            raise ConversionError(
                f"{name}.weight has values up to {layer.weight.abs().max():.3g}, and float16 ends "
                "at 65504: use the scheme none"
            )
        parametrize.register_parametrization(layer, "weight", HalfWeight())


class DynamicInt8Linear(nn.Module):
    """A linear layer on int8: symmetric weights with a scale per output, activations as they come.

    The activations' range is measured on every call, so that no calibration photos are needed.
    """

    def __init__(self, original: nn.Linear) -> None:
        super().__init__()
        self.in_features = original.in_features
        self.out_features = original.out_features
        weight = _int8_per_channel(original.weight.detach())
        self.packed = torch.ops.quantized.linear_prepack(weight, original.bias)

    def forward(self, x: Tensor) -> Tensor:
        # reduce_range: x86 kernels of old CPUs add in 16 bits, which 8-bit activations overflow.
        # qnnpack, which phones run, ignores it.
        return torch.ops.quantized.linear_dynamic(x, self.packed, reduce_range=True)


def _int8_per_channel(weight: Tensor) -> Tensor:
    """(out, in) float32 → a quantised tensor of the same shape."""
    largest = weight.abs().amax(dim=1).double()
    scales = torch.where(largest > 0, largest / _INT8_MAX, 1.0)
    zero_points = torch.zeros(len(weight), dtype=torch.int64)
    return torch.quantize_per_channel(weight, scales, zero_points, 0, torch.qint8)


def _use_int8_linears(module: nn.Module) -> None:
    """Replace, in place, every linear layer by DynamicInt8Linear."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, DynamicInt8Linear(child))
        else:
            _use_int8_linears(child)
