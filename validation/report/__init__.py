"""The report of ``validate compare``: one page that needs nothing else, and the results as JSON."""

from validation.report.write import write_report

__all__ = ["write_report"]
