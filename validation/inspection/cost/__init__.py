"""The static cost of an artifact, calculated from its program on any machine, without running it.

``measure_cost(artifact)`` returns multiply-adds, parameters, activations and peak memory of each component, and for
Core ML the operations that are known to leave the Neural Engine. docs/cost.md defines each number.
"""

from reference.common.lazy_names import lazy_names

_HOMES = {
    "ArtifactCost": "validation.inspection.cost.component",
    "ComponentCost": "validation.inspection.cost.component",
    "measure_cost": "validation.inspection.cost.measure",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
