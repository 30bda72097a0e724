"""The openers of all engines.

An opener imports the libraries that its engine needs, and returns the function that loads an artifact into it.

An opener may be sent to a child process, which unpickles it before its output is redirected and its threads are set.
Therefore this module imports nothing heavy, and each opener imports its engine only when it is called.
"""

from collections.abc import Callable
from functools import partial

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines.base import Engine

OpenEngine = Callable[[Artifact], Engine | Unavailable]
Opener = Callable[[], OpenEngine]


def lite_interpreter() -> OpenEngine:
    """The lite interpreter of this process's torch."""
    from validation.engines.lite_interpreter import open_engine

    return open_engine


def runtime() -> OpenEngine:
    """The lite interpreter of the version of torch that phones have."""
    from validation.engines.environment_engine import open_runtime

    return open_runtime


def arm64() -> OpenEngine:
    """The lite interpreter on an emulated Arm processor."""
    from validation.engines.environment_engine import open_arm64

    return open_arm64


def core_ml(unit: str = "all") -> OpenEngine:
    """Core ML itself, on one of ``compute_units.COMPUTE_UNITS``; by default on all of them, as in an app."""
    from validation.engines.core_ml import open_engine

    return partial(open_engine, unit=unit)


def mil_runtime(numerics: str = "declared") -> OpenEngine:
    """This project's runtime for ML Programs, with one of ``mil_runtime.NUMERICS``."""
    from validation.engines.mil_runtime import open_engine

    return partial(open_engine, numerics=numerics)


def core_ml_models() -> Callable:
    """Core ML's ``load_models``, which loads an artifact's packages without an engine around them."""
    from validation.engines.core_ml import load_models

    return load_models
