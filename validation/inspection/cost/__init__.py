"""What an artifact costs, worked out from its program: nothing is run, on any machine.

``measure_cost(artifact)`` gives multiply-adds, parameters, activations and peak memory of each component, and
for Core ML what is known to leave the Neural Engine. docs/cost.md says how each number is defined.
"""

from reference.common.lazy_names import lazy_names

_HOMES = {
    "ArtifactCost": "validation.inspection.cost.component",
    "ComponentCost": "validation.inspection.cost.component",
    "measure_cost": "validation.inspection.cost.measure",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
