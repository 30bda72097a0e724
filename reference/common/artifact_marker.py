"""Recognizing artifact folders, so that no command writes other files into them."""

import json
from pathlib import Path

from reference.common.errors import OutputError
from reference.common.input_files import require_regular_file

MANIFEST_FILE = "manifest.json"
MANIFEST_SCHEMA = "mobile-sam-export/artifact/1"

_KIND, _, _ = MANIFEST_SCHEMA.rpartition("/")  # the schema without its version
_MOST_BYTES = 1 << 24  # a larger file is not read as a manifest


def is_artifact(folder: Path) -> bool:
    """Return whether a folder holds the manifest of an artifact. A manifest that cannot be read does not count."""
    schema = read_marker(folder / MANIFEST_FILE).get("schema")
    return isinstance(schema, str) and schema.startswith(f"{_KIND}/")


def read_marker(path: Path) -> dict:
    """Return the JSON object in a file that marks its folder, or an empty dict if no object can be read."""
    try:
        if require_regular_file(path, OutputError, "").st_size > _MOST_BYTES:
            return {}
        marker = json.loads(path.read_bytes())
    except (OSError, OutputError, ValueError, RecursionError):
        return {}
    return marker if isinstance(marker, dict) else {}


def require_outside_artifacts(path: Path) -> None:
    """Refuse an output inside an artifact, because one more file makes the artifact invalid.

    Raises:
        OutputError: the path lies inside an artifact.
    """
    for folder in path.resolve().parents:
        if is_artifact(folder):
            raise OutputError(
                f"{path}: is in the artifact {folder}, which one more file makes invalid; name another output"
            )
