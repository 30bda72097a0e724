"""The engines that run artifacts, and the choice among them.

To add an engine, write a function ``open_engine(artifact) -> Engine | Unavailable``, an opener that imports it, and an
entry in ``ENGINES``. Nothing else has to change.
"""

from collections.abc import Iterable
from functools import partial

from reference.common.errors import ArtifactError
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines import openers
from validation.engines.base import Engine
from validation.engines.openers import Opener

__all__ = [
    "ENGINES",
    "Engine",
    "engine_for",
    "engine_names",
    "engine_openers",
    "open_first",
]

# Format → name → opener, the most authoritative engine first.
ENGINES: dict[str, dict[str, Opener]] = {
    "torchscript": {
        "lite_interpreter": openers.lite_interpreter,
        "runtime:2.1.0": openers.runtime,
        "arm64": openers.arm64,
    },
    "coreml": {
        "core_ml": openers.core_ml,
        "mil_runtime": openers.mil_runtime,
        "mil_runtime-float32": partial(openers.mil_runtime, "float32"),
        "mil_runtime-float64": partial(openers.mil_runtime, "float64"),
    },
}


def engine_names() -> tuple[str, ...]:
    """The names of all engines of all formats."""
    return tuple(name for engines in ENGINES.values() for name in engines)


def engine_for(artifact: Artifact, name: str | None = None) -> Engine | Unavailable:
    """Open an engine and load an artifact into it.

    Args:
        artifact: the artifact to load.
        name: name of the engine; None takes the first for the artifact's format that this machine has.

    Returns:
        The engine, or why this machine has none.

    Raises:
        ArtifactError: the engine does not run the format, or cannot load the artifact.
    """
    return open_first(artifact, engine_openers(artifact, name))


def engine_openers(artifact: Artifact, name: str | None = None) -> list[Opener]:
    """The openers of the engines to try, the most authoritative first.

    Args:
        artifact: the artifact to load.
        name: name of the only engine to try; None tries all for the artifact's format.

    Raises:
        ArtifactError: no engine has this name, the named engine does not run the artifact's format, or no engine does.
    """
    engines = ENGINES.get(artifact.format, {})
    if name is not None and name not in engine_names():
        raise ArtifactError(
            f"there is no engine '{name}': expected one of {', '.join(engine_names())}"
        )
    if name is not None and name not in engines:
        raise ArtifactError(
            f"{artifact.folder}: the engine '{name}' does not run the format '{artifact.format}': "
            f"expected {' or '.join(engines)}"
        )
    if not engines:
        raise ArtifactError(
            f"{artifact.folder}: no engine runs the format '{artifact.format}': expected "
            f"{' or '.join(ENGINES)}"
        )
    return list(engines.values()) if name is None else [engines[name]]


def open_first(artifact: Artifact, openers: Iterable[Opener]) -> Engine | Unavailable:
    """Open the first engine that this machine has, and load an artifact into it.

    Args:
        artifact: the artifact to load.
        openers: the openers that ``engine_openers`` returns.

    Returns:
        The engine, or why this machine has none of them.

    Raises:
        ArtifactError: the engine cannot load the artifact.
    """
    reasons = []
    for opener in openers:
        open_engine = opener()
        engine = open_engine(artifact)
        if not isinstance(engine, Unavailable):
            return engine
        reasons.append(engine.reason)
    return Unavailable("; ".join(reasons))
