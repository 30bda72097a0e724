"""Writes the golden vectors of the sample apps: ``python -m validation.evidence.app_vectors``."""

from reference.common.lazy_names import lazy_names

_HOMES = {
    "VECTORS": "validation.evidence.app_vectors.vectors",
    "build_vectors": "validation.evidence.app_vectors.vectors",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
