"""The report of ``validate compare`` and ``validate latency``: self-contained pages, and results as JSON."""

from reference.common.lazy_names import lazy_names

_HOMES = dict.fromkeys(("write_latency_report", "write_report"), "validation.report.write")
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
