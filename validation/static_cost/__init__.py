"""What an artefact costs, worked out from its program: nothing is run, on any machine.

``measure_cost(artifact)`` gives multiply-adds, parameters, activations and peak memory of each component, and
for Core ML what is known to leave the Neural Engine. docs/cost.md says how each number is defined.
"""

from importlib import import_module

_HOMES = {
    "ArtifactCost": "validation.static_cost.component",
    "ComponentCost": "validation.static_cost.component",
    "measure_cost": "validation.static_cost.measure",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    # Not imported until it is asked for: the command line shall not wait for torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
