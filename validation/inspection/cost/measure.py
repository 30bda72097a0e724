"""Measures the static cost of an artifact of any format."""

from collections.abc import Callable
from pathlib import Path

from converters.conversion import FORMATS
from converters.io_spec import image_encoder_spec, mask_decoder_spec
from reference.modeling.sam import Sam
from validation.artifacts.artifact import Artifact, load_artifact
from validation.inspection.cost.component import ArtifactCost
from validation.inspection.cost.sources import ReferenceSources


def measure_cost(artifact: Artifact | str | Path) -> ArtifactCost:
    """Count what an artifact costs without running it, as ``validate cost`` does.

    Example:
        >>> cost = measure_cost("artifacts/mobile_sam-torchscript-none")
        >>> cost.components[0].name, cost.components[0].multiply_adds
        ('image_encoder', 39178255104)

    Args:
        artifact: the path of a folder that ``convert`` wrote.

    Returns:
        The cost of the image encoder, then of the mask decoder. Memory is in bytes.

    Raises:
        ArtifactError: the folder is incomplete or altered, a component cannot be read, or its cost depends on the
            values of its inputs.
    """
    artifact = load_artifact(artifact)
    component_cost = _READERS[artifact.format]()
    variant = artifact.variant
    specs = (image_encoder_spec(variant), mask_decoder_spec(variant, artifact.prompt_slots))
    modules, sam = FORMATS[artifact.format].modules, Sam(variant)
    paths = [artifact.components[spec.name] for spec in specs]
    components = tuple(
        component_cost(path, spec, ReferenceSources(spec.name, modules[spec.name](sam)))
        for path, spec in zip(paths, specs, strict=True)
    )
    return ArtifactCost(artifact, components)


def _core_ml() -> Callable:
    from validation.inspection.cost.core_ml import component_cost

    return component_cost


def _torchscript() -> Callable:
    from validation.inspection.cost.torchscript import component_cost

    return component_cost


# Functions, so that only the libraries of the artifact's format are imported.
_READERS = {"coreml": _core_ml, "torchscript": _torchscript}
