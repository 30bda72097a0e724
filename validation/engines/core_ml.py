"""Runs Core ML packages in Core ML itself, through coremltools; on macOS only."""

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


class CoreML:
    """Core ML of this machine, as coremltools reaches it.

    Attributes:
        version: the version of macOS, which Core ML is a part of.
    """

    def __init__(self, system: str = sys.platform) -> None:
        """Use the Core ML of an operating system, which ``system`` names as ``sys.platform`` does."""
        self._system = system
        self.version = platform.mac_ver()[0]

    def missing(self) -> str | None:
        """Say why Core ML cannot be used here, in words that follow "NOT RUN: "; None if it can."""
        if self._system != "darwin":
            return "Core ML runs on macOS only: run the artifact on a Mac"
        import coremltools.models.model as coremltools_model

        if coremltools_model._MLModelProxy is None:
            return (
                "this build of coremltools lacks libcoremlpython, its bridge to Core ML: install an "
                "official wheel for this version of Python"
            )
        return None

    def load(self, package: Path, unit: str) -> "MLModel":
        """Load and compile a package for one of COMPUTE_UNITS; ArtifactError if Core ML refuses it."""
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


CORE_ML = CoreML()


def open_engine(
    artifact: Artifact, unit: str = "all", core_ml: CoreML = CORE_ML
) -> PackageEngine | Unavailable:
    """Load and compile an artifact's two packages.

    Args:
        artifact: an artifact of the format coreml.
        unit: one of COMPUTE_UNITS; by default all of them, as in an app.
        core_ml: what loads the packages.

    Raises:
        ArtifactError: Core ML refuses a package.
    """
    models = load_models(artifact, unit, core_ml)
    if isinstance(models, Unavailable):
        return models
    name = f"Core ML of macOS {core_ml.version} ({COMPUTE_UNITS[unit]})"
    return PackageEngine(name, "Core ML", *models.values(), artifact)


def load_models(
    artifact: Artifact, unit: str, core_ml: CoreML = CORE_ML
) -> "dict[str, MLModel] | Unavailable":
    """Load an artifact's packages for one of COMPUTE_UNITS, by component; ArtifactError if Core ML refuses one."""
    reason = core_ml.missing()
    if reason is not None:
        return Unavailable(reason)
    return {name: core_ml.load(artifact.components[name], unit) for name in COMPONENTS}
