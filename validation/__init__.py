"""Does an artefact give the reference's masks?

``validation.compare(module, artifact, inputs, min_sqnr)`` compares any torch module with its conversion;
artefacts of this project are compared with ``validate compare``.
"""

from reference.common.lazy_names import lazy_names
from reference.common.quiet import quiet_coremltools

quiet_coremltools()
_HOMES = {"compare": "validation.modules.comparison"}
__all__ = list(_HOMES)
__getattr__ = lazy_names(__name__, _HOMES)
