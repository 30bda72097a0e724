"""Run Core ML packages in Core ML itself, through coremltools; on macOS only."""

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from converters.artifact_layout import COMPONENTS
from reference.common.errors import ArtifactError
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines.compute_units import COMPUTE_UNITS
from validation.engines.package_engine import PackageEngine

if TYPE_CHECKING:
    from coremltools.models import MLModel


def open_engine(artifact: Artifact, unit: str = "all") -> PackageEngine | Unavailable:
    """Load and compile an artifact's two packages.

    Args:
        artifact: an artifact of the format coreml.
        unit: one of COMPUTE_UNITS; by default all of them, as in an app.

    Raises:
        ArtifactError: Core ML refuses a package.
    """
    models = load_models(artifact, unit)
    if isinstance(models, Unavailable):
        return models
    name = f"Core ML of macOS {platform.mac_ver()[0]} ({COMPUTE_UNITS[unit]})"
    return PackageEngine(name, "Core ML", *models.values(), artifact)


def load_models(artifact: Artifact, unit: str) -> "dict[str, MLModel] | Unavailable":
    """Load an artifact's packages for one of COMPUTE_UNITS, by component; ArtifactError if Core ML refuses one."""
    if sys.platform != "darwin":
        return Unavailable("Core ML runs on macOS only: compare this artifact on a Mac")
    import coremltools.models.model as coremltools_model

    if coremltools_model._MLModelProxy is None:
        return Unavailable(
            "this build of coremltools lacks libcoremlpython, its bridge to Core ML: install an "
            "official wheel for this version of Python"
        )
    return {name: _load(artifact.components[name], unit) for name in COMPONENTS}


def _load(package: Path, unit: str) -> "MLModel":
    from coremltools import ComputeUnit
    from coremltools.models import MLModel

    # If Core ML refuses a package, coremltools raises a RuntimeError here, or it warns here and
    # raises another exception from ``predict``.
    try:
        return MLModel(str(package), compute_units=ComputeUnit[unit.upper()])
    except Exception as error:
        raise ArtifactError(
            f"{package}: Core ML cannot load it ({error}); convert again"
        ) from error
