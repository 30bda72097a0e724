"""The gates: limits on how much an artifact may differ from the reference.

``gates.toml`` has the default limits and explains each. A user's file of the same form replaces some of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from converters.coreml import schemes as coreml_schemes
from converters.size_goal import AUTO
from converters.torchscript import options as torchscript_options
from reference.common.errors import ArtifactError, GateError
from reference.common.plain_text import quote, shorten
from validation.artifacts.artifact import Artifact
from validation.documents.limits import limit, read_limit
from validation.documents.toml_file import read_toml

DEFAULTS = Path(__file__).with_name("gates.toml")
SCHEMES = {
    "torchscript": (*torchscript_options.SCHEMES, AUTO),
    "coreml": tuple(coreml_schemes.ALL_SCHEMES),
}


@dataclass(frozen=True)
class Gates:
    """The limits for one format and scheme, which ``gates.toml`` explains.

    Independently of all limits, outputs have to be finite.
    """

    min_iou: float = limit(0, 1)
    min_hidden_iou: float = limit(0, 1)
    mean_iou: float = limit(0, 1)
    mean_boundary_iou: float = limit(0, 1)
    max_score_difference: float = limit(0, 1)
    min_same_choice: float = limit(0, 1)
    max_miou_lost: float = limit(-1, 1)  # below 0, an artifact has to be better than the reference
    max_handful: float = limit(0, 1)
    max_frame_difference: float = limit(0, 255)
    min_embeddings_sqnr: float = limit(0, 200)
    min_logits_sqnr: float = limit(0, 200)


def read_gates(path: Path | None = None) -> dict[str, dict[str, Gates]]:
    """Read the limits by format and scheme.

    Args:
        path: a user's file, whose limits replace the defaults; None takes the defaults.

    Raises:
        GateError: the file cannot be read, or contains something that is not a limit.
    """
    tables = _defaults()
    changes = {} if path is None else read_toml(path, GateError)
    for format_name, schemes in changes.items():
        if format_name not in tables:
            raise GateError(
                f"{path}: [{shorten(format_name)}]: expected {' or '.join(tables)}, then a scheme, "
                "such as [coreml.int8]"
            )
        for scheme, limits in _table(path, format_name, schemes).items():
            _change(tables[format_name], path, format_name, scheme, limits)
    return {
        format_name: {scheme: Gates(**limits) for scheme, limits in schemes.items()}
        for format_name, schemes in tables.items()
    }


def _defaults() -> dict[str, dict[str, dict]]:
    """Return format → scheme → limit → value. Each table of the file has the limits of a scheme in all formats."""
    tables = read_toml(DEFAULTS, GateError)
    like = tables.pop("like")
    return {
        format_name: {scheme: dict(tables[like.get(scheme, scheme)]) for scheme in schemes}
        for format_name, schemes in SCHEMES.items()
    }


def _change(
    schemes: dict[str, dict], path: Path, format_name: str, scheme: str, limits: object
) -> None:
    """Replace limits of one scheme by those of a user's file."""
    place = f"{format_name}.{scheme}"
    if scheme not in schemes:
        raise GateError(
            f"{path}: [{shorten(place)}]: expected a scheme of {format_name}: {', '.join(schemes)}"
        )
    for name, value in _table(path, place, limits).items():
        schemes[scheme][name] = read_limit(Gates, name, value, f"{path}: [{place}]", GateError)


def gates_for(artifact: Artifact, gates: Mapping[str, Mapping[str, Gates]]) -> Gates:
    """The limits for an artifact.

    Args:
        artifact: the artifact.
        gates: format → scheme → limits.

    Raises:
        ArtifactError: there are no limits for its scheme.
    """
    known = gates[artifact.format]
    if artifact.scheme not in known:
        raise ArtifactError(
            f"{artifact.folder}: no gates for scheme '{artifact.scheme}' of {artifact.format}: "
            f"expected one of {', '.join(known)}"
        )
    return known[artifact.scheme]


def apple_psnr(scheme: str) -> int:
    """Return the lowest PSNR in dB that Apple advises for the outputs of a converted model.

    It is 70 for a rewritten model, 40 for a compiled one, and 35 for weights of 4 bits. Source: apple/coreai-models,
    skills/skills/model-authoring/SKILL.md (2026).
    """
    if scheme == "none":
        return 70
    return 35 if scheme in ("int4", "lut4", AUTO) else 40


def _table(path: Path, place: str, value: object) -> dict:
    if not isinstance(value, dict):
        raise GateError(
            f"{path}: '{place}' is {quote(value)}: expected a table, such as [coreml.int8]"
        )
    return value
