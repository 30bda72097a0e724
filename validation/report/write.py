"""Writes the folder of a report, completely or not at all."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from validation.comparison.document import comparison_document
from validation.comparison.results import Comparison
from validation.documents.json_file import write_json
from validation.latency.recorded import parse_latency
from validation.report.folder import (
    COMPARISON,
    LATENCY,
    LATENCY_FILE,
    LATENCY_PAGE_FILE,
    PAGE_FILE,
    RESULTS_FILE,
    staged_report,
)
from validation.report.latency_page import render_latency
from validation.report.page import render_page


def write_report(
    folder: str | Path,
    comparisons: Sequence[Comparison],
    *,
    command: str | None = None,
    latency: dict | None = None,
) -> None:
    """Write ``report.html``, which works offline, and ``results.json`` to a folder.

    With ``latency``, the folder also gets ``latency.html`` and ``latency.json``, and each page links to the other.

    Args:
        folder: does not exist yet, or holds a report of ``validate compare``, which is replaced.
        comparisons: at least one. Only cases with pictures can be shown as pictures.
        command: the command line that made the report, shown so that readers can run it again. None shows nothing.
        latency: a document of ``validate latency``.

    Raises:
        OutputError: ``folder`` holds anything else, or cannot be written.
        ArtifactError: an artifact's manifest can no longer be read.
    """
    with staged_report(Path(folder), COMPARISON) as draft:
        latency_page = None if latency is None else LATENCY_PAGE_FILE
        page = render_page(comparisons, command, datetime.now(UTC), latency_page)
        (draft / PAGE_FILE).write_text(page, encoding="utf-8")
        write_json(draft / RESULTS_FILE, comparison_document(comparisons))
        if latency is not None:
            _write_latency(draft, latency, command, PAGE_FILE)


def write_latency_report(folder: str | Path, document: dict, *, command: str | None = None) -> None:
    """Write ``latency.html``, which works offline, and ``latency.json`` to a folder.

    Args:
        folder: does not exist yet, or holds a report of ``validate latency``, which is replaced.
        document: a document of ``validate latency``.
        command: the command line that made the report, shown so that readers can run it again. None shows nothing.

    Raises:
        OutputError: ``folder`` holds anything else, or cannot be written.
        LatencyFileError: ``document`` does not match its schema.
    """
    with staged_report(Path(folder), LATENCY) as draft:
        _write_latency(draft, document, command, None)


def _write_latency(
    draft: Path, document: dict, command: str | None, report_page: str | None
) -> None:
    page = render_latency(parse_latency(document), command, report_page)
    (draft / LATENCY_PAGE_FILE).write_text(page, encoding="utf-8")
    write_json(draft / LATENCY_FILE, document)
