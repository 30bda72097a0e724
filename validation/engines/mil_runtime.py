"""Runs Core ML packages in this project's own runtime for ML Programs, on any system."""

from pathlib import Path

from reference.common.errors import ArtifactError
from validation import mil_runtime
from validation.artifacts.artifact import Artifact
from validation.engines.package_engine import PackageEngine


def open_engine(artifact: Artifact, numerics: str = "declared") -> PackageEngine:
    """Load an artifact's packages with one of ``mil_runtime.NUMERICS``; ArtifactError if a package cannot be loaded."""
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
        raise ArtifactError(f"{error}; or convert the artifact again") from error
