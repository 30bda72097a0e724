"""Where in a module each operation of its converted program was traced."""

from collections.abc import Sequence

from coremltools.converters.mil.mil import Operation
from coremltools.converters.mil.mil.scope import ScopeSource
from torch import nn


def traced_path(operation: Operation, module: nn.Module) -> str:
    """Path in ``module`` of the module that called ``operation``; "" for ``module`` itself."""
    names = operation.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_NAME, [])
    kinds = operation.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_TYPE, [])
    return scope_path(module, names[:-1], kinds[:-1])  # an operation is the last of its own scope


def scope_path(module: nn.Module, names: Sequence[str], kinds: Sequence[str]) -> str:
    """Path in ``module`` of a scope that tracing recorded.

    A scope has only the modules that were *called*: a list of modules, or a module of which only a
    child is called, leaves no trace in it, and has to be found again.

    Args:
        module: what was traced.
        names: of the modules called, outermost first, each as its parent calls it.
        kinds: their classes.
    """
    path = []
    for name, kind in zip(names, kinds, strict=True):
        found = [
            below
            for below, child in module.get_submodule(".".join(path)).named_modules()
            if below.rpartition(".")[2] == name and type(child).__name__ == kind
        ]
        if not found:  # called from outside of it
            break
        path.append(min(found, key=lambda below: below.count(".")))
    return ".".join(path)
