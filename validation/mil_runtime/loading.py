"""Loads packages into programs and pipelines that predict."""

from pathlib import Path

from coremltools.models import MLModel

from validation.mil_runtime.errors import ModelError
from validation.mil_runtime.interpreter import Interpreter
from validation.mil_runtime.model.feature_description import default_function, parse_description
from validation.mil_runtime.model.package import Package, open_package
from validation.mil_runtime.model.program_parser import parse_function
from validation.mil_runtime.numerics import Numerics, numerics_named
from validation.mil_runtime.pipeline import Pipeline
from validation.mil_runtime.program import Program


def load(
    source: "str | Path | MLModel",
    numerics: str = "declared",
    function: str | None = None,
    seed: int = 0,
) -> Program | Pipeline:
    """Load an ML Program, or a pipeline of them, so that it can be run on any system.

    Example:
        >>> program = load("MobileSAMImageEncoder.mlpackage")
        >>> program.predict({"image": picture})["image_embeddings"].shape  # a PIL image of 1024×1024, RGB
        (1, 256, 64, 64)

    Args:
        source: the path of an ``.mlpackage``, or a coremltools model in memory.
        numerics: with "declared", each operation computes in float32, and its result is rounded once
            to the type that the program declares. With "float32" or "float64", all floating-point
            values are computed and held in that type, whatever the program declares.
        function: the name of the function to load; None for the package's default function.
        seed: the seed for random operations without one. Each prediction starts with it again.

    Returns:
        The program or the pipeline, ready to predict.

    Raises:
        ModelError: the package is damaged, is neither an ML Program nor a pipeline of them, or has an
            unknown specification version.
        UnsupportedOperationError: the program has an unknown operation.
        MilRuntimeError: the numerics are unknown.
    """
    return _load(open_package(source), numerics_named(numerics), function, seed)


def _load(
    package: Package, numerics: Numerics, function: str | None, seed: int
) -> Program | Pipeline:
    if package.stages is not None:
        return _load_pipeline(package, package.stages, numerics, function, seed)
    specification = package.specification
    name = default_function(specification.description) if function is None else function
    parsed = parse_function(specification.mlProgram, name, package.weights)
    return Program(parse_description(specification, name), Interpreter(parsed, numerics), seed)


def _load_pipeline(
    package: Package,
    stages: tuple[Package, ...],
    numerics: Numerics,
    function: str | None,
    seed: int,
) -> Pipeline:
    if function not in (None, "main"):
        raise ModelError(
            f"{package.name}: a pipeline has no function '{function}'; leave the function out"
        )
    loaded = []
    for number, stage in enumerate(stages, 1):
        try:
            loaded.append(_load(stage, numerics, None, seed))
        except ModelError as error:
            raise type(error)(f"stage {number} of the pipeline: {error}") from error
    description = parse_description(package.specification, "main")
    return Pipeline(description, tuple(loaded), numerics)
