"""What marks a folder as an artifact, which is nobody's place for other files."""

import json
from pathlib import Path

from reference.common.errors import OutputError
from reference.common.input_files import require_regular_file

MANIFEST_FILE = "manifest.json"
MANIFEST_SCHEMA = "mobile-sam-export/artifact/1"

_KIND, _, _ = MANIFEST_SCHEMA.rpartition("/")  # of any version
_MOST_BYTES = 1 << 24  # of a manifest


def is_artifact(folder: Path) -> bool:
    """Whether a folder has an artifact's manifest; whatever it cannot be read as is none."""
    path = folder / MANIFEST_FILE
    try:
        if require_regular_file(path, OutputError, "").st_size > _MOST_BYTES:
            return False
        manifest = json.loads(path.read_bytes())
    except (OSError, OutputError, ValueError, RecursionError):
        return False
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    return isinstance(schema, str) and schema.startswith(f"{_KIND}/")


def require_outside_artifacts(path: Path) -> None:
    """Refuse an output that would be in an artifact, which one more file would make invalid.

    Raises:
        OutputError: it would be.
    """
    for folder in path.resolve().parents:
        if is_artifact(folder):
            raise OutputError(
                f"{path}: is in the artifact {folder}, which one more file makes invalid; name another output"
            )
