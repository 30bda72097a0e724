"""Does an artifact give the reference's masks?

``validation.compare_artifacts(folders)`` compares artifacts of this project with the reference, as ``validate
compare`` does. ``validation.compare(module, artifact, inputs, min_sqnr)`` compares any torch module with its
conversion.
"""

from reference.common.lazy_names import lazy_names
from reference.common.quiet import quiet_coremltools

quiet_coremltools()

_HOMES = {
    "compare": "validation.modules.comparison",
    "compare_artifacts": "validation.comparison.comparer",
    "load_artifact": "validation.artifacts.artifact",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
