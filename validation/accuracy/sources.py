"""What the sources of ``validate accuracy`` are. The module imports no torch."""

from pathlib import Path

from converters.artifact_layout import MANIFEST_FILE
from reference.common.errors import MobileSAMError
from reference.common.input_files import require_possible
from reference.modeling.variants import get_variant
from reference.weights.checkpoint_source import BUILT_IN, require_checkpoint
from validation.artifacts.artifact import Artifact, load_artifact


def find_artifact(source: str, model: str) -> Artifact | None:
    """Load the artifact that a user names, or return None if it is a checkpoint of the variant ``model``.

    Raises:
        MobileSAMError: ``source`` is neither, or is damaged.
    """
    path = Path(source)
    require_possible(path / MANIFEST_FILE, MobileSAMError)
    if (path / MANIFEST_FILE).exists():
        return load_artifact(path)
    if source in BUILT_IN or path.is_file():
        require_checkpoint(source, get_variant(model))
        return None
    if path.is_dir():
        return load_artifact(path)  # raises an error that says what the folder lacks
    raise MobileSAMError(
        f"{source}: no such artifact or checkpoint: expected a folder that 'convert' wrote, a .pt or "
        ".safetensors file, 'demo', 'official' or 'seeded'"
    )
