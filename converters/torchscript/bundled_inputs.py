"""Bundling example inputs into a .ptl file, so that a phone can benchmark the file alone.

``speed_benchmark_torch --use_bundled_input`` and apps get the inputs from the method ``get_all_bundled_inputs``. A
photo in float32 would add 12 MB to a file of 7 MB. So large tensors are stored as 8-bit thumbnails and enlarged when
they are requested. They are therefore blurred. The goldens beside the file hold exact inputs and outputs.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.utils import bundled_inputs
from torch.utils.bundled_inputs import InflatableArg

_SHRINK = 8  # a thumbnail of a frame of 1024 pixels has 128 × 128 pixels, 49 KB
_SMALL = 1024  # elements; tensors up to this size are stored unchanged


def bundle_inputs(traced: torch.jit.ScriptModule, inputs: Sequence[tuple[Tensor, ...]]) -> None:
    """Add methods to ``traced`` that return ``inputs``. Large inputs are approximate."""
    compact = [tuple(_compact(tensor) for tensor in example) for example in inputs]
    # torch's bundle_inputs copies the module, and then stores weights that layers share once per layer (3 MB more).
    bundled_inputs.augment_model_with_bundled_inputs(traced, compact)


def _compact(tensor: Tensor) -> Tensor | InflatableArg:
    """Return what to store for an input: a small tensor, or a tensor with TorchScript code that inflates it."""
    if tensor.numel() <= _SMALL or tensor.dim() != 4:
        return bundled_inputs.bundle_large_tensor(tensor.contiguous().clone())
    if (tensor == tensor.flatten()[0]).all():  # an absent mask prompt
        return tensor.contiguous()  # torch stores one number
    return _thumbnail(tensor)


def _thumbnail(tensor: Tensor) -> InflatableArg:
    """Shrink float32 (1, C, H, W) to uint8 (1, C, H/8, W/8), with the code that enlarges it bilinearly."""
    small = avg_pool2d(tensor, _SHRINK)
    low, high = small.min().item(), small.max().item()
    step = (high - low) / 255 or 1.0
    stored = ((small - low) / step).round().to(torch.uint8)
    height, width = tensor.shape[2:]
    return InflatableArg(
        stored,
        f"torch._C._nn.upsample_bilinear2d({{}}.float() * {step!r} + {low!r}, "
        f"[{height}, {width}], False)",
    )
