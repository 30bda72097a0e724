"""Does an artefact give the reference's masks?

``validation.compare(module, artifact, inputs, min_sqnr)`` compares any torch module with its conversion;
artefacts of this project are compared with ``validate compare``.
"""

from importlib import import_module

__all__ = ["compare"]


def __getattr__(name: str) -> object:
    # Not imported until it is asked for: the command line shall not wait for torch.
    if name == "compare":
        return import_module("validation.module_comparison").compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
