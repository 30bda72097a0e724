"""What an artifact is held to: the largest losses that still count as the reference's masks.

The limits are in ``gates.toml``, where each is explained, and in a user's own file of that form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reference.common.errors import ArtifactError, GateError
from reference.common.plain_text import quote, shorten
from validation.artifacts.artifact import Artifact
from validation.documents.limits import limit, read_limit
from validation.documents.toml_file import read_toml

DEFAULTS = Path(__file__).with_name("gates.toml")


@dataclass(frozen=True)
class Gates:
    """Limits for one format and scheme; see ``gates.toml``. Whatever they are, all outputs must be finite."""

    min_iou: float = limit(0, 1)
    mean_iou: float = limit(0, 1)
    mean_boundary_iou: float = limit(0, 1)
    max_score_difference: float = limit(0, 1)
    min_same_choice: float = limit(0, 1)
    max_miou_lost: float = limit(-1, 1)  # an artifact may be asked to be better
    max_frame_difference: float = limit(0, 255)
    min_embeddings_sqnr: float = limit(0, 200)
    min_logits_sqnr: float = limit(0, 200)


def read_gates(path: Path | None = None) -> dict[str, dict[str, Gates]]:
    """Format → scheme → limits: the defaults, with what a user's file says instead.

    Raises:
        GateError: the file cannot be read, or says something that is no limit.
    """
    tables = read_toml(DEFAULTS, GateError)
    changes = {} if path is None else read_toml(path, GateError)
    for format_name, schemes in changes.items():
        if format_name not in tables:
            raise GateError(
                f"{path}: [{shorten(format_name)}]: expected {' or '.join(tables)}, then a scheme"
            )
        for scheme, limits in _table(path, format_name, schemes).items():
            place = f"{format_name}.{scheme}"
            if scheme not in tables[format_name]:
                raise GateError(
                    f"{path}: [{shorten(place)}]: expected a scheme of {format_name}: "
                    f"{', '.join(tables[format_name])}"
                )
            for name, value in _table(path, place, limits).items():
                tables[format_name][scheme][name] = read_limit(
                    Gates, name, value, f"{path}: [{place}]", GateError
                )
    return {
        format_name: {scheme: Gates(**limits) for scheme, limits in schemes.items()}
        for format_name, schemes in tables.items()
    }


def gates_for(artifact: Artifact, gates: Mapping[str, Mapping[str, Gates]]) -> Gates:
    """The limits for an artifact; ArtifactError if there are none for its scheme."""
    known = gates[artifact.format]
    if artifact.scheme not in known:
        raise ArtifactError(
            f"{artifact.folder}: no gates for scheme '{artifact.scheme}' of {artifact.format}: "
            f"expected one of {', '.join(known)}"
        )
    return known[artifact.scheme]


def _table(path: Path, place: str, value: object) -> dict:
    if not isinstance(value, dict):
        raise GateError(
            f"{path}: '{place}' is {quote(value)}: expected a table, such as [coreml.int8]"
        )
    return value
