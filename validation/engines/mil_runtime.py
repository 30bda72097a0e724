"""Core ML packages in this project's own runtime for ML Programs; any system."""

from pathlib import Path

from reference.common.errors import ArtifactError
from validation import mil_runtime
from validation.artifacts.artifact import Artifact
from validation.engines.package_engine import PackageEngine


def open_declared(artifact: Artifact) -> PackageEngine:
    """Load an artefact's packages to compute as they declare: see ``mil_runtime.load``."""
    return _open(artifact, "declared")


def open_float32(artifact: Artifact) -> PackageEngine:
    """Load an artefact's packages to compute and hold everything in float32."""
    return _open(artifact, "float32")


def open_float64(artifact: Artifact) -> PackageEngine:
    """Load an artefact's packages to compute and hold everything in float64."""
    return _open(artifact, "float64")


def _open(artifact: Artifact, numerics: str) -> PackageEngine:
    return PackageEngine(
        f"mil_runtime ({numerics} numerics)",
        "mil_runtime",
        _load(artifact.components["image_encoder"], numerics),
        _load(artifact.components["mask_decoder"], numerics),
        artifact,
    )


def _load(package: Path, numerics: str) -> mil_runtime.Program | mil_runtime.Pipeline:
    try:
        return mil_runtime.load(package, numerics)
    except mil_runtime.MilRuntimeError as error:
        raise ArtifactError(f"{error}; or convert the artefact again") from error
