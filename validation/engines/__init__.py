"""Engines that run artefacts, and the choice among them.

A new engine is a module with a function ``open_engine(artifact) -> Engine | Unavailable`` and an
entry in ``ENGINES``; nothing else needs to know of it.
"""

from importlib import import_module

from reference.errors import ArtifactError
from validation.artifact import Artifact
from validation.engines.base import Engine, Unavailable

__all__ = ["ENGINES", "Engine", "Unavailable", "engine_for"]

# Format → modules, the most authoritative engine first. By name: each imports what it runs with.
ENGINES: dict[str, tuple[str, ...]] = {
    "torchscript": ("validation.engines.lite_interpreter",),
    "coreml": ("validation.engines.core_ml",),
}


def engine_for(artifact: Artifact) -> Engine | Unavailable:
    """The first engine for the artefact's format that this machine has, with the artefact loaded.

    Raises:
        ArtifactError: the engine is there and cannot load the artefact.
    """
    reasons = []
    for module in ENGINES.get(artifact.format, ()):
        engine = import_module(module).open_engine(artifact)
        if not isinstance(engine, Unavailable):
            return engine
        reasons.append(engine.reason)
    if not reasons:
        raise ArtifactError(
            f"{artifact.folder}: no engine runs the format '{artifact.format}': expected "
            f"{' or '.join(ENGINES)}"
        )
    return Unavailable("; ".join(reasons))
