"""Compares any torch module with its conversion, output by output, for models of other projects too."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit.mobile import LiteScriptModule, _load_for_lite_interpreter
from torch.utils._pytree import tree_map_only

from reference.common.errors import ArtifactError
from reference.common.input_files import require_possible, require_utf8
from reference.common.torch_errors import first_line
from validation import mil_runtime
from validation.metrics import TensorDifference, tensor_difference
from validation.modules.outputs import Named, matched, named_arrays
from validation.modules.package import Inputs, PackageModel, Predicting
from validation.modules.proof import unproven


@dataclass(frozen=True)
class OutputComparison:
    """The comparison of one output for one set of inputs.

    Attributes:
        inputs: index of the set of inputs.
        output: index or name of the output.
        difference: difference of the conversion's output from the module's output.
        exact: whether both have to be equal, as for integers and truth values.
    """

    inputs: int
    output: str
    difference: TensorDifference
    exact: bool

    def holds(self, min_sqnr: float) -> bool:
        """Whether the conversion's output is equal, if ``exact``, or reaches ``min_sqnr`` in dB."""
        if self.exact:
            return self.difference.largest == 0
        return not self.difference.not_finite and self.difference.sqnr >= min_sqnr


@dataclass(frozen=True)
class ModuleComparison:
    """The comparison of a conversion with the module that it was made from.

    Attributes:
        outputs: the comparison of every output for every set of inputs.
        min_sqnr: SQNR in dB that each output has to reach, unless it has to be equal.
        unproven: why agreement proves nothing, in words; None if it proves something.
    """

    outputs: tuple[OutputComparison, ...]
    min_sqnr: float
    unproven: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every output passes and agreement proves something. Outputs that are not finite fail."""
        return self._gate_held and self.unproven is None

    @property
    def _gate_held(self) -> bool:
        return all(item.holds(self.min_sqnr) for item in self.outputs)

    def __str__(self) -> str:
        """A table with a row per output, and the verdict."""
        lines = ["inputs  output                      SQNR dB  relative L2  largest"]
        for item in self.outputs:
            difference = item.difference
            quality = f"{difference.sqnr:.1f}"
            if item.exact:
                quality = "equal" if item.holds(self.min_sqnr) else "differs"
            lines.append(
                f"{item.inputs:>6}  {item.output:<24}  {quality:>9}  "
                f"{difference.relative_l2:>11.2e}  {difference.largest:>7.2g}"
            )
        if self._gate_held and self.unproven is not None:
            return "\n".join([*lines, f"NOT PROVEN: {self.unproven}"])
        verdict = "PASS" if self.passed else "FAIL"
        return "\n".join([*lines, f"{verdict}: gate {self.min_sqnr:g} dB"])


def compare(
    module: nn.Module,
    artifact: "str | Path | Predicting",
    inputs: Sequence[Inputs],
    min_sqnr: float,
) -> ModuleComparison:
    """Run any torch module and its conversion on the same inputs, and measure the error of each output.

    Example:
        >>> comparison = compare(module, "model.mlpackage", [torch.rand(1, 3, 224, 224)], min_sqnr=40)
        >>> comparison.passed
        True
        >>> print(comparison)  # a table with a row per output

    Args:
        module: the module, in eval mode. It returns a tensor, or nested tuples, lists, dicts and dataclasses of
            tensors. Outputs are matched by name where the conversion has the same names, and the others in
            order. A scalar may be an array of one element in Core ML.
        artifact: the conversion. A ``.ptl`` file runs in the lite interpreter, an ``.mlpackage`` in
            ``mil_runtime``. A model that predicts by name works too, such as a ``mil_runtime.Program``
            with other numerics, or an ``MLModel`` on a Mac.
        inputs: one or more sets. Each is a tensor, a tuple of tensors in the order of ``module.forward``,
            or a dict by the names of its parameters. A package gets a dict by name, and a tuple in the order in
            which the package declares its inputs. If an input of the package is a picture, pass the tensor that
            the module takes, (1, C, H, W). The picture is computed from it by undoing ``scale`` and ``bias``
            of the package's ``ct.ImageType``. Its pixels have to be whole numbers of 0 to 255, with channels in
            the order of the package's color layout.
        min_sqnr: SQNR in dB that every floating-point output has to reach. About 100 is right for float32 in
            another order of operations, 50 for float16, and 30 for int8 weights. Integers and truth values have
            to be equal.

    Returns:
        The comparison. ``passed`` is True if every output reaches ``min_sqnr`` or is equal, and if agreement proves
        something. Agreement proves nothing if the module's outputs are all constant. ``outputs`` has one entry for
        each output and set of inputs.

    Raises:
        ArtifactError: there are no inputs; ``min_sqnr`` is not finite; the conversion cannot be loaded or run; its
            inputs or outputs do not match those of the module; or the package takes a picture and an input is
            not one.
    """
    if not inputs:
        raise ArtifactError("no inputs to compare with: expected at least one set")
    if not math.isfinite(min_sqnr):
        raise ArtifactError(f"a gate of {min_sqnr} dB: expected a number, such as 50")
    run = _runner(artifact, module)
    compared, given, answers = [], [], []
    for index, item in enumerate(inputs):
        item = (item,) if isinstance(item, Tensor) else item
        taken = _copied(item)
        with torch.no_grad():
            expected = module(**taken) if isinstance(taken, Mapping) else module(*taken)
        named = named_arrays(expected)
        given.append([array for _, array in named_arrays(item)] if item else [])
        answers.append([array for _, array in named])
        for (name, wanted), values in zip(named, matched(run(_copied(item)), named), strict=True):
            if wanted.ndim == 0 and values.shape == (1,):
                values = values.reshape(())
            difference = tensor_difference(values, wanted)
            exact = wanted.dtype.kind in "biu"
            compared.append(OutputComparison(index, name, difference, exact))
    return ModuleComparison(tuple(compared), min_sqnr, unproven(given, answers))


def _copied(inputs: Inputs) -> Inputs:
    """A copy of the inputs, so that a module that changes them in place does not change those of the other."""
    return tree_map_only(Tensor, lambda tensor: tensor.detach().clone(), inputs)


def _runner(
    artifact: "str | Path | Predicting", module: nn.Module
) -> Callable[[Inputs], list[Named]]:
    """A function that runs the conversion and returns its named outputs in order."""
    if not isinstance(artifact, str | Path):
        return PackageModel(artifact)
    path = Path(artifact)
    if path.suffix == ".ptl":
        lite = _load_lite_file(path)
        return lambda inputs: _run_lite_file(path, lite, _in_order(module, inputs))
    if path.suffix == ".mlpackage":
        try:
            program = mil_runtime.load(path)
        except mil_runtime.MilRuntimeError as error:
            raise ArtifactError(str(error)) from error
        return PackageModel(program)
    raise ArtifactError(f"{path}: expected a .ptl file or an .mlpackage")


def _load_lite_file(path: Path) -> LiteScriptModule:
    require_possible(path, ArtifactError)
    require_utf8(path, ArtifactError)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; expected a .ptl file or an .mlpackage")
    try:
        return _load_for_lite_interpreter(path)
    except RuntimeError as error:
        raise ArtifactError(
            f"{path}: cannot be loaded ({first_line(error)}); convert the module again"
        ) from error


def _in_order(module: nn.Module, inputs: Inputs) -> tuple[Tensor, ...]:
    """The inputs in the order of the module's parameters, as a lite file takes them."""
    if isinstance(inputs, Tensor):
        return (inputs,)
    if not isinstance(inputs, Mapping):
        return inputs
    try:
        return inspect.signature(module.forward).bind(**inputs).args
    except (TypeError, ValueError):  # a scripted module has no usable signature
        return tuple(inputs.values())


def _run_lite_file(path: Path, lite: LiteScriptModule, inputs: tuple[Tensor, ...]) -> list[Named]:
    try:
        with torch.no_grad():
            outputs = lite(*inputs)
    except RuntimeError as error:
        raise ArtifactError(
            f"{path}: cannot be run ({first_line(error)}); check the inputs, or convert the module again"
        ) from error
    return named_arrays(outputs)
