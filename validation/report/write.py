"""Write the report's folder, whole or not at all."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from converters.artifact_folder import staged
from validation.json_file import write_json
from validation.report.page import render_page
from validation.results import Comparison

PAGE_FILE = "report.html"
RESULTS_FILE = "results.json"


def write_report(
    folder: Path, comparisons: Sequence[Comparison], document: dict, command: str
) -> None:
    """Write ``report.html``, which works offline, and ``results.json`` to a new folder.

    Args:
        folder: must not exist.
        comparisons: at least one, with pictures if cases shall be shown.
        document: theirs, as ``results.build_document`` gives it.
        command: the command line that made them, to be run again.

    Raises:
        OutputError: ``folder`` exists or cannot be written.
        ArtifactError: an artefact's manifest can no longer be read.
    """
    with staged(folder, force=None, option="--report") as draft:
        page = render_page(comparisons, command, datetime.now(UTC))
        (draft / PAGE_FILE).write_text(page, encoding="utf-8")
        write_json(draft / RESULTS_FILE, document)
