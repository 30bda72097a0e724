"""Finding the module in which each operation of a converted program was traced."""

from collections.abc import Sequence

from coremltools.converters.mil.mil import Operation
from coremltools.converters.mil.mil.scope import ScopeSource
from torch import nn


def traced_path(operation: Operation, module: nn.Module) -> str:
    """Return the path in ``module`` of the module that called ``operation``; "" for ``module`` itself."""
    names = operation.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_NAME, [])
    kinds = operation.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_TYPE, [])
    return scope_path(module, names[:-1], kinds[:-1])  # the last entry is the operation itself


def scope_path(module: nn.Module, names: Sequence[str], kinds: Sequence[str]) -> str:
    """Return the path in ``module`` of a scope that tracing recorded.

    A scope lists only the modules that were *called*. A list of modules, or a module of which only a child is called,
    is missing in it and has to be found again.

    Args:
        module: the module that was traced.
        names: attribute names of the called modules, outermost first.
        kinds: class names of the called modules.
    """
    path = []
    for name, kind in zip(names, kinds, strict=True):
        found = [
            below
            for below, child in module.get_submodule(".".join(path)).named_modules()
            if below.rpartition(".")[2] == name and type(child).__name__ == kind
        ]
        if not found:  # called from outside the module
            break
        path.append(min(found, key=lambda below: below.count(".")))
    return ".".join(path)
