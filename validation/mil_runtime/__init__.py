"""Runs Core ML packages on any system: loads an ``.mlpackage`` and executes its ML Programs.

``load`` returns a program, and its ``predict`` takes and returns values by name. ``install`` makes coremltools'
own ``MLModel.predict`` use this runtime. docs/mil_runtime.md says how exact the results are, and how they are
checked.
"""

from validation.mil_runtime.coremltools_bridge import install, uninstall
from validation.mil_runtime.errors import (
    InputError,
    InstallError,
    MilRuntimeError,
    ModelError,
    OperationError,
    UnsupportedOperationError,
)
from validation.mil_runtime.loading import load
from validation.mil_runtime.numerics import NUMERICS
from validation.mil_runtime.pipeline import Pipeline
from validation.mil_runtime.program import Prediction, Program, State

__all__ = [
    "NUMERICS",
    "InputError",
    "InstallError",
    "MilRuntimeError",
    "ModelError",
    "OperationError",
    "Pipeline",
    "Prediction",
    "Program",
    "State",
    "UnsupportedOperationError",
    "install",
    "load",
    "uninstall",
]
