"""Write the report's folder, whole or not at all."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from converters.output_folder import staged
from validation.comparison.results import Comparison
from validation.documents.json_file import write_json
from validation.latency.recorded import parse_latency
from validation.report.latency_page import render_latency
from validation.report.page import render_page

PAGE_FILE = "report.html"
RESULTS_FILE = "results.json"
LATENCY_PAGE_FILE = "latency.html"
LATENCY_FILE = "latency.json"


def write_report(
    folder: Path,
    comparisons: Sequence[Comparison],
    document: dict,
    command: str,
    latency: dict | None = None,
) -> None:
    """Write ``report.html``, which works offline, and ``results.json`` to a new folder.

    With ``latency`` also its page, ``latency.html``, and ``latency.json``; each page links to the other.

    Args:
        folder: must not exist.
        comparisons: at least one, with pictures if cases shall be shown.
        document: theirs, as ``comparison.document.build_document`` gives it.
        command: the command line that made them, to be run again.
        latency: a document of ``validate latency``.

    Raises:
        OutputError: ``folder`` exists or cannot be written.
        ArtifactError: an artifact's manifest can no longer be read.
    """
    with staged(folder, force=None, option="--report") as draft:
        latency_page = None if latency is None else LATENCY_PAGE_FILE
        page = render_page(comparisons, command, datetime.now(UTC), latency_page)
        (draft / PAGE_FILE).write_text(page, encoding="utf-8")
        write_json(draft / RESULTS_FILE, document)
        if latency is not None:
            _write_latency(draft, latency, command, PAGE_FILE)


def write_latency_report(folder: Path, document: dict, command: str) -> None:
    """Write ``latency.html``, which works offline, and ``latency.json`` to a new folder.

    Args:
        folder: must not exist.
        document: of ``validate latency``.
        command: the command line that made it, to be run again.

    Raises:
        OutputError: ``folder`` exists or cannot be written.
        LatencyFileError: ``document`` is not as its schema has it.
    """
    with staged(folder, force=None, option="--report") as draft:
        _write_latency(draft, document, command, None)


def _write_latency(draft: Path, document: dict, command: str, report_page: str | None) -> None:
    page = render_latency(parse_latency(document), command, report_page)
    (draft / LATENCY_PAGE_FILE).write_text(page, encoding="utf-8")
    write_json(draft / LATENCY_FILE, document)
