"""Openers of test engines whose module is imported only by the process that opens the engine.

``validation.engines.openers`` explains why.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module


def opener(module: str, function: str) -> Callable:
    """Return an opener that imports ``tests.support.<module>`` when it is called, and then calls ``function``."""
    return partial(_import, f"tests.support.{module}", function)


def _import(module: str, function: str, **options: object) -> Callable:
    return partial(getattr(import_module(module), function), **options)
