"""Writes results to JSON files."""

import json
from pathlib import Path

from reference.common.output_files import replacing


def write_json(path: Path, document: dict) -> None:
    """Write a document whose numbers are all finite.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as draft:
        draft.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
