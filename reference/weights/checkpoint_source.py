"""The names and paths that ``--checkpoint`` takes. The check needs no torch, so that refusals do not wait for it."""

from pathlib import Path

from reference.common.cache import cache_folder
from reference.common.errors import CheckpointError
from reference.modeling.variants import DemoCheckpoint, OfficialCheckpoint, Variant
from reference.weights.file_kind import checkpoint_kind

BUILT_IN = ("demo", "official", "seeded")  # checkpoints that have a name
_OTHER_WEIGHTS = "pass the checkpoint 'seeded' (--checkpoint seeded) or the path of a file"


def require_checkpoint(source: str | Path, variant: Variant) -> None:
    """Refuse a checkpoint whose name, path or first bytes show that it cannot be loaded.

    Args:
        source: one of ``BUILT_IN``, or the path of a ``.pt`` or ``.safetensors`` file.
        variant: the model variant that the weights are for.

    Raises:
        CheckpointError: the variant has no weights of this name, or there is no checkpoint file at the path.
    """
    if source == "demo" and variant.demo is None:
        raise CheckpointError(f"'{variant.name}' has no demo weights: {_OTHER_WEIGHTS}")
    if source == "official" and variant.official is None:
        raise CheckpointError(f"'{variant.name}' has no official checkpoint: {_OTHER_WEIGHTS}")
    if source in BUILT_IN:
        return
    path = Path(source)
    if not source or _is_missing(path):
        raise CheckpointError(
            f"no checkpoint '{source}': expected 'demo', 'official', 'seeded' or the path of "
            "a .pt or .safetensors file"
        )
    checkpoint_kind(path)


def demo_path(demo: DemoCheckpoint) -> Path:
    """Return the path of a checkpoint that comes with this package."""
    return Path(__file__).parent / "data" / demo.file_name


def official_path(official: OfficialCheckpoint) -> Path:
    """Return the path in the user's cache to which an official checkpoint is downloaded."""
    return cache_folder() / official.url.rsplit("/", 1)[-1]


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # the path may exist; checkpoint_kind says what is wrong
        return False
    return False
