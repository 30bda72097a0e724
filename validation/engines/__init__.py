"""Engines that run artifacts, and the choice among them.

A new engine is a function ``open_engine(artifact) -> Engine | Unavailable``, an opener that imports it, and an entry
in ``ENGINES``. Nothing else needs to know of it.
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
    """Every engine, of any format."""
    return tuple(name for engines in ENGINES.values() for name in engines)


def engine_for(artifact: Artifact, name: str | None = None) -> Engine | Unavailable:
    """An engine with the artifact loaded.

    Args:
        artifact: what it shall run.
        name: which engine; None: the first for the artifact's format that this machine has.

    Raises:
        ArtifactError: the engine does not run the format, or is there and cannot load the artifact.
    """
    return open_first(artifact, engine_openers(artifact, name))


def engine_openers(artifact: Artifact, name: str | None = None) -> list[Opener]:
    """The openers of the engines to try, in this order; arguments as ``engine_for``'s.

    Raises:
        ArtifactError: the engine does not run the format, or none does.
    """
    engines = ENGINES.get(artifact.format, {})
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
    """The first engine of ``engine_openers`` that this machine has, with the artifact loaded.

    Raises:
        ArtifactError: that engine cannot load the artifact.
    """
    reasons = []
    for opener in openers:
        open_engine = opener()
        engine = open_engine(artifact)
        if not isinstance(engine, Unavailable):
            return engine
        reasons.append(engine.reason)
    return Unavailable("; ".join(reasons))
