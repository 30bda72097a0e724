"""The engine that computes quantized operators on phones: qnnpack, which rounds differently from x86's own.

torch is imported late, since the name is wanted by code that shall not wait for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from reference.common.errors import ConversionError

PHONE_ENGINE = "qnnpack"


def has_phone_engine() -> bool:
    """Whether this build of torch can compute as phones do."""
    import torch

    return PHONE_ENGINE in torch.backends.quantized.supported_engines


@contextmanager
def phone_engine() -> Iterator[None]:
    """Run quantized operators as phones do; ConversionError if this build of torch cannot."""
    import torch

    if not has_phone_engine():
        raise ConversionError(
            f"this build of torch has no {PHONE_ENGINE}, the engine of phones: expected one of "
            "the official wheels for Linux or macOS"
        )
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = PHONE_ENGINE
    try:
        yield
    finally:
        torch.backends.quantized.engine = before
