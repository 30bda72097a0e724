"""Bundled inputs: real examples inside a .ptl, so that a phone can benchmark it as it is.

``speed_benchmark_torch --use_bundled_input`` and apps get them by the method
``get_all_bundled_inputs``. A photo as float32 would add 12 MB to a file of 7: large tensors are
stored as thumbnails in 8 bits and enlarged when asked for. That is still the photo, but blurred:
exact inputs and outputs are in the goldens beside the file.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.utils import bundled_inputs
from torch.utils.bundled_inputs import InflatableArg

_SHRINK = 8  # a thumbnail of a 1024 frame has 128 × 128 pixels, 49 KB
_SMALL = 1024  # elements; tensors up to this size are stored as they are


def bundle_inputs(traced: torch.jit.ScriptModule, inputs: Sequence[tuple[Tensor, ...]]) -> None:
    """Give ``traced``, in place, methods that return ``inputs``, large ones approximately."""
    compact = [tuple(_compact(tensor) for tensor in example) for example in inputs]
    # Not bundle_inputs: its copy stores weights that layers share once per layer (3 MB more).
    bundled_inputs.augment_model_with_bundled_inputs(traced, compact)


def _compact(tensor: Tensor) -> Tensor | InflatableArg:
    """What to store of an input: a small tensor, or one from which TorchScript code inflates it."""
    if tensor.numel() <= _SMALL or tensor.dim() != 4:
        return bundled_inputs.bundle_large_tensor(tensor.contiguous().clone())
    if (tensor == tensor.flatten()[0]).all():  # an absent mask prompt
        return tensor.contiguous()  # torch stores one number
    return _thumbnail(tensor)


def _thumbnail(tensor: Tensor) -> InflatableArg:
    """(1, C, H, W) float32 → (1, C, H/8, W/8) uint8, with the code to enlarge it bilinearly."""
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
