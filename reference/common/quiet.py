"""Keep libraries from telling users what is of no use to them."""

import logging


def quiet_coremltools() -> None:
    """Hide coremltools' warnings about what it lacks off the Mac; call it before coremltools is imported."""
    logging.getLogger("coremltools").setLevel(logging.ERROR)
