"""Openers of engines in modules of tests/support, which are imported only by the process that opens the engine.

See ``validation.engines.openers``.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module


def opener(module: str, function: str) -> Callable:
    """An opener that imports ``tests.support.<module>`` when it is called, and gives its ``function``."""
    return partial(_import, f"tests.support.{module}", function)


def _import(module: str, function: str, **options: object) -> Callable:
    return partial(getattr(import_module(module), function), **options)
