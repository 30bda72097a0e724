"""Silencing messages of libraries that do not help users."""

import logging


def quiet_coremltools() -> None:
    """Hide coremltools' warnings about features that only a Mac has. Call this before coremltools is imported."""
    logging.getLogger("coremltools").setLevel(logging.ERROR)
