"""Engines that run artefacts, and the choice among them.

A new engine is a function ``open_engine(artifact) -> Engine | Unavailable`` and an entry in
``ENGINES``; nothing else needs to know of it.
"""

from collections.abc import Callable, Iterable
from importlib import import_module

from reference.common.errors import ArtifactError
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines.base import Engine

__all__ = [
    "ENGINES",
    "Engine",
    "Unavailable",
    "engine_for",
    "engine_names",
    "engine_targets",
    "open_first",
]

# Format → name → module and function, the most authoritative engine first. By name, since each
# module imports what it runs with.
ENGINES: dict[str, dict[str, str]] = {
    "torchscript": {
        "lite_interpreter": "validation.engines.lite_interpreter:open_engine",
        "runtime:2.1.0": "validation.engines.environment_engine:open_runtime",
        "arm64": "validation.engines.environment_engine:open_arm64",
    },
    "coreml": {
        "core_ml": "validation.engines.core_ml:open_engine",
        "mil_runtime": "validation.engines.mil_runtime:open_declared",
        "mil_runtime-float32": "validation.engines.mil_runtime:open_float32",
        "mil_runtime-float64": "validation.engines.mil_runtime:open_float64",
    },
}


def engine_names() -> tuple[str, ...]:
    """Every engine, of any format."""
    return tuple(name for engines in ENGINES.values() for name in engines)


def engine_for(artifact: Artifact, name: str | None = None) -> Engine | Unavailable:
    """An engine with the artefact loaded.

    Args:
        artifact: what it shall run.
        name: which engine; None: the first for the artefact's format that this machine has.

    Raises:
        ArtifactError: the engine does not run the format, or is there and cannot load the artefact.
    """
    return open_first(artifact, engine_targets(artifact, name))


def engine_targets(artifact: Artifact, name: str | None = None) -> list[str]:
    """Module and function of the engines to try, in this order; arguments as ``engine_for``'s.

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


def open_first(artifact: Artifact, targets: Iterable[str]) -> Engine | Unavailable:
    """The first engine of ``engine_targets`` that this machine has, with the artefact loaded.

    Raises:
        ArtifactError: that engine cannot load the artefact.
    """
    reasons = []
    for target in targets:
        engine = _opener(target)(artifact)
        if not isinstance(engine, Unavailable):
            return engine
        reasons.append(engine.reason)
    return Unavailable("; ".join(reasons))


def _opener(target: str) -> Callable[[Artifact], Engine | Unavailable]:
    module, function = target.split(":")
    return getattr(import_module(module), function)
