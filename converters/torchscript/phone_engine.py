"""Choosing qnnpack, the engine for quantized operators on phones. It rounds differently from the default engine on x86.

The functions import torch late, because other code needs ``PHONE_ENGINE`` without waiting for torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from reference.common.errors import ConversionError

PHONE_ENGINE = "qnnpack"


def has_phone_engine() -> bool:
    """Return whether this build of torch has the engine of phones."""
    import torch

    return PHONE_ENGINE in torch.backends.quantized.supported_engines


@contextmanager
def phone_engine() -> Iterator[None]:
    """Run quantized operators with the engine of phones during the block.

    Raises:
        ConversionError: this build of torch does not have the engine.
    """
    import torch

    if not has_phone_engine():
        raise ConversionError(
            f"this build of torch has no {PHONE_ENGINE}, the engine of phones: expected an "
            "official wheel for Linux or macOS"
        )
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = PHONE_ENGINE
    try:
        yield
    finally:
        torch.backends.quantized.engine = before
