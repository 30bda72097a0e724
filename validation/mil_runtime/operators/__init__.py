"""The operators of the core opsets, with a module per family."""

from importlib import import_module
from pkgutil import iter_modules

from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import REGISTRY, Operator

for _module in iter_modules(__path__):  # importing a module registers its operators
    import_module(f"{__name__}.{_module.name}")


def find_operator(kind: str, opset: Opset) -> Operator | None:
    """Return the operator of an opset, or None if the opset does not have it."""
    versions = [since for since in REGISTRY.versions.get(kind, {}) if since <= opset]
    return REGISTRY.versions[kind][max(versions)] if versions else None


def registered_operators() -> dict[str, tuple[Opset, ...]]:
    """Return operator → the opsets that introduce it or change its meaning."""
    return {kind: tuple(sorted(known)) for kind, known in sorted(REGISTRY.versions.items())}
