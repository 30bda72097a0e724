"""Loads packages: the way from a file to something that predicts."""

from pathlib import Path

from coremltools.models import MLModel

from validation.mil_runtime.errors import ModelError
from validation.mil_runtime.interpreter import Interpreter
from validation.mil_runtime.model.feature_description import default_function, parse_description
from validation.mil_runtime.model.package import Package, open_package
from validation.mil_runtime.model.program_structure import parse_function
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

    Args:
        source: an ``.mlpackage``, or a coremltools model in memory.
        numerics: "declared": each operation computes in float32, and its result is rounded once to
            the type that the program declares for it. "float32", "float64": all floating-point
            values are computed and held in that type, whatever the program declares.
        function: which function of a package that has several; by default the one it names.
        seed: of random operations that bring no seed of their own. Each prediction starts anew.

    Raises:
        ModelError: the package is damaged, is no ML Program or pipeline of them, or is of an unknown
            specification.
        UnsupportedOperationError: it has an operation that is not known.
        MilRuntimeError: there are no such numerics.
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
        raise ModelError(f"{package.name}: a pipeline has no function '{function}'")
    loaded = []
    for number, stage in enumerate(stages, 1):
        try:
            loaded.append(_load(stage, numerics, None, seed))
        except ModelError as error:
            raise type(error)(f"stage {number} of the pipeline: {error}") from error
    description = parse_description(package.specification, "main")
    return Pipeline(description, tuple(loaded), numerics)
