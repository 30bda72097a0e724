"""The operators of the core opsets, a module per family."""

from importlib import import_module
from pkgutil import iter_modules

from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import REGISTRY, Operator

for _module in iter_modules(__path__):  # each registers its operators
    import_module(f"{__name__}.{_module.name}")


def find_operator(kind: str, opset: Opset) -> Operator | None:
    """The operator as the opset has it; None if it has none."""
    versions = [since for since in REGISTRY.versions.get(kind, {}) if since <= opset]
    return REGISTRY.versions[kind][max(versions)] if versions else None


def registered_operators() -> dict[str, tuple[Opset, ...]]:
    """Every operator, with the opsets at which its meaning here begins or changes."""
    return {kind: tuple(sorted(known)) for kind, known in sorted(REGISTRY.versions.items())}
