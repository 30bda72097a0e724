"""Compare any torch module with its conversion, output by output; for models that are not this project's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit.mobile import _load_for_lite_interpreter

from reference.errors import ArtifactError
from validation import mil_runtime
from validation.metrics import TensorDifference, tensor_difference

Inputs = tuple[Tensor, ...] | Mapping[str, Tensor]


class Predicting(Protocol):
    """What predicts by name: a ``mil_runtime.Program``, or on a Mac a coremltools ``MLModel``."""

    def predict(self, data: dict) -> Mapping[str, np.ndarray]: ...


@dataclass(frozen=True)
class OutputComparison:
    """One output for one set of inputs.

    Attributes:
        inputs: index of the set.
        output: index or name of the output.
        difference: of the conversion's from the module's.
    """

    inputs: int
    output: str
    difference: TensorDifference


@dataclass(frozen=True)
class ModuleComparison:
    """A conversion against the module that it was made from.

    Attributes:
        outputs: every output of every set of inputs.
        min_sqnr: what each of them is held to, in dB.
    """

    outputs: tuple[OutputComparison, ...]
    min_sqnr: float

    @property
    def passed(self) -> bool:
        """Whether every output's SQNR is sufficient; a misplaced NaN or infinity never is."""
        return all(item.difference.sqnr >= self.min_sqnr for item in self.outputs)

    def __str__(self) -> str:
        """A table with a line per output, and the verdict."""
        lines = ["inputs  output                      SQNR dB  relative L2  largest"]
        for item in self.outputs:
            difference = item.difference
            lines.append(
                f"{item.inputs:>6}  {item.output:<24}  {difference.sqnr:>9.1f}  "
                f"{difference.relative_l2:>11.2e}  {difference.largest:>7.2g}"
            )
        verdict = "PASS" if self.passed else "FAIL"
        return "\n".join([*lines, f"{verdict}: gate {self.min_sqnr:g} dB"])


def compare(
    module: nn.Module,
    artifact: "str | Path | Predicting",
    inputs: Sequence[Inputs],
    min_sqnr: float,
) -> ModuleComparison:
    """Run a module and its conversion on the same inputs.

    Args:
        module: in eval mode; gives a tensor, or a tuple or dict of tensors.
        artifact: a ``.ptl`` file, which runs in the lite interpreter; an ``.mlpackage``, which runs in
            ``mil_runtime``; or something that predicts by name, such as a ``mil_runtime.Program`` in
            other numerics, or on a Mac an ``MLModel``.
        inputs: one or more sets, each a tuple of tensors in the order of ``module.forward``, or a dict
            by its parameters' names. A package gets them by these names, or, if they are a tuple, in
            the order in which it declares its inputs.
        min_sqnr: dB that every output has to reach. About 100 is float32 in another order, 50 float16,
            30 int8 weights.

    Raises:
        ArtifactError: the conversion cannot be loaded or run, has another number of outputs, or one of
            another shape.
    """
    if not inputs:
        raise ArtifactError("no inputs to compare with: expected at least one set")
    run = _runner(artifact)
    compared = []
    for index, item in enumerate(inputs):
        with torch.no_grad():
            expected = module(**item) if isinstance(item, Mapping) else module(*item)
        named, actual = _named(expected), run(item)
        if len(actual) != len(named):
            raise ArtifactError(
                f"the conversion gives {len(actual)} outputs: expected {len(named)}, as the module does"
            )
        for (name, wanted), values in zip(named, _matched(actual, named), strict=True):
            difference = tensor_difference(values, wanted.detach().cpu().numpy())
            compared.append(OutputComparison(index, name, difference))
    return ModuleComparison(tuple(compared), min_sqnr)


def _runner(artifact: "str | Path | Predicting"):
    """Inputs → outputs by name; those of a ``.ptl`` are numbered."""
    if not isinstance(artifact, str | Path):
        return lambda inputs: _predict(artifact, inputs)
    path = Path(artifact)
    if path.suffix == ".ptl":
        lite = _load_lite_file(path)
        return lambda inputs: _run_lite_file(path, lite, inputs)
    if path.suffix == ".mlpackage":
        try:
            program = mil_runtime.load(path)
        except mil_runtime.MilRuntimeError as error:
            raise ArtifactError(str(error)) from error
        return lambda inputs: _predict(program, inputs)
    raise ArtifactError(f"{path}: expected a .ptl file or an .mlpackage")


def _load_lite_file(path: Path):
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file")
    try:
        return _load_for_lite_interpreter(path)
    except RuntimeError as error:
        raise ArtifactError(f"{path}: cannot be loaded ({_first_line(error)})") from error


def _run_lite_file(path: Path, lite, inputs: Inputs) -> dict[str, np.ndarray]:
    tensors = tuple(inputs.values()) if isinstance(inputs, Mapping) else inputs
    try:
        with torch.no_grad():
            outputs = lite(*tensors)
    except RuntimeError as error:
        raise ArtifactError(f"{path}: cannot run ({_first_line(error)})") from error
    return {name: tensor.numpy() for name, tensor in _named(outputs)}


def _predict(model: Predicting, inputs: Inputs) -> dict[str, np.ndarray]:
    if not isinstance(inputs, Mapping):
        inputs = dict(zip(_input_names(model), inputs, strict=True))
    try:
        outputs = model.predict({name: tensor.numpy() for name, tensor in inputs.items()})
    except mil_runtime.MilRuntimeError as error:
        raise ArtifactError(str(error)) from error
    return {name: np.asarray(values) for name, values in outputs.items()}


def _input_names(model: Predicting) -> list[str]:
    if isinstance(model, mil_runtime.Program):
        return list(model.inputs)
    return list(model.input_description)  # of an MLModel


def _named(outputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """Outputs of a module by name, or by number if it names none."""
    if isinstance(outputs, Mapping):
        return list(outputs.items())
    tensors = [outputs] if isinstance(outputs, Tensor) else outputs
    return [(str(index), tensor) for index, tensor in enumerate(tensors)]


def _matched(
    actual: Mapping[str, np.ndarray], expected: Sequence[tuple[str, Tensor]]
) -> Iterator[np.ndarray]:
    """The conversion's outputs in the module's order: by name where both name them, else as they come."""
    names = [name for name, _ in expected]
    if set(names) == set(actual):
        return (actual[name] for name in names)
    return iter(actual.values())


def _first_line(error: RuntimeError) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
