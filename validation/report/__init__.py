"""The report of ``validate compare`` and ``validate latency``: pages that need nothing else, and results as JSON."""

from validation.report.write import write_latency_report, write_report

__all__ = ["write_latency_report", "write_report"]
