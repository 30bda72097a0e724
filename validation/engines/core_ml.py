"""Core ML packages in Core ML itself, through coremltools; macOS only."""

import platform
import sys
from pathlib import Path

from reference.errors import ArtifactError
from validation.artifact import Artifact
from validation.engines.base import Unavailable
from validation.engines.package_engine import PackageEngine, PredictingModel


def open_engine(artifact: Artifact) -> PackageEngine | Unavailable:
    """Load, and so compile, an artefact's two packages; ArtifactError if Core ML refuses one.

    They run on all compute units, as an app's do by default.
    """
    if sys.platform != "darwin":
        return Unavailable("Core ML runs on macOS only: compare this artefact on a Mac")
    import coremltools.models.model as coremltools_model

    if coremltools_model._MLModelProxy is None:
        return Unavailable(
            "this build of coremltools lacks libcoremlpython, its bridge to Core ML: install an "
            "official wheel for this version of Python"
        )
    return PackageEngine(
        f"Core ML of macOS {platform.mac_ver()[0]} (all compute units)",
        "Core ML",
        _load(coremltools_model.MLModel, artifact.components["image_encoder"]),
        _load(coremltools_model.MLModel, artifact.components["mask_decoder"]),
        artifact,
    )


def _load(model_class: type, package: Path) -> PredictingModel:
    # What Core ML refuses, coremltools reports as a RuntimeError here, or only as a warning, and
    # then as an exception from ``predict``.
    try:
        return model_class(str(package))
    except Exception as error:
        raise ArtifactError(
            f"{package}: Core ML cannot load it ({error}); convert again"
        ) from error
