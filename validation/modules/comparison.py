"""Compare any torch module with its conversion, output by output; for models that are not this project's."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit.mobile import _load_for_lite_interpreter
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
    """One output for one set of inputs.

    Attributes:
        inputs: index of the set.
        output: index or name of the output.
        difference: of the conversion's from the module's.
        exact: whether it has to be equal: integers and truth values have no noise to speak of.
    """

    inputs: int
    output: str
    difference: TensorDifference
    exact: bool

    def holds(self, min_sqnr: float) -> bool:
        """Whether the conversion's output is near enough."""
        if self.exact:
            return self.difference.largest == 0
        return not self.difference.not_finite and self.difference.sqnr >= min_sqnr


@dataclass(frozen=True)
class ModuleComparison:
    """A conversion against the module that it was made from.

    Attributes:
        outputs: every output of every set of inputs.
        min_sqnr: what each of them is held to, in dB, but for those that have to be equal.
        unproven: why nothing is proven, however near they are; see ``module_evidence``.
    """

    outputs: tuple[OutputComparison, ...]
    min_sqnr: float
    unproven: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every output is near enough, and proves something; what is not finite never is."""
        return self._gate_held and self.unproven is None

    @property
    def _gate_held(self) -> bool:
        return all(item.holds(self.min_sqnr) for item in self.outputs)

    def __str__(self) -> str:
        """A table with a line per output, and the verdict."""
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
    """Run a module and its conversion on the same inputs.

    Args:
        module: in eval mode; gives a tensor, or tuples, lists, dicts and dataclasses of them, nested
            as it likes. Outputs are matched by name where the conversion has the same names, else in
            order; a scalar is what Core ML gives as an array of one.
        artifact: a ``.ptl`` file, which runs in the lite interpreter; an ``.mlpackage``, which runs in
            ``mil_runtime``; or something that predicts by name, such as a ``mil_runtime.Program`` in
            other numerics, or on a Mac an ``MLModel``.
        inputs: one or more sets, each a tensor, a tuple of tensors in the order of ``module.forward``,
            or a dict by its parameters' names. A package gets them by these names, or, if they are a
            tuple, in the order in which it declares its inputs. Where it takes a picture it gets the
            picture of which it makes the tensor, (1, C, H, W): with ``scale`` and ``bias`` of its
            ``ct.ImageType`` undone, these have to be whole numbers of 0 to 255, in the order of its
            color layout.
        min_sqnr: dB that every output of floating-point numbers has to reach. About 100 is float32 in
            another order, 50 float16, 30 int8 weights. Integers and truth values have to be equal.

    Raises:
        ArtifactError: there are no inputs, or the gate is no number; the conversion cannot be loaded or run, has
            other inputs or another number of outputs, or one of another shape; or an input is no picture where
            it takes one.
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
    """Inputs of one's own: a module that changes them in place must not change what the other is asked."""
    return tree_map_only(Tensor, lambda tensor: tensor.detach().clone(), inputs)


def _runner(
    artifact: "str | Path | Predicting", module: nn.Module
) -> Callable[[Inputs], list[Named]]:
    """Inputs → outputs by name, in order; those of a ``.ptl`` have the names that the module's have."""
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


def _load_lite_file(path: Path):
    require_possible(path, ArtifactError)
    require_utf8(path, ArtifactError)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file")
    try:
        return _load_for_lite_interpreter(path)
    except RuntimeError as error:
        raise ArtifactError(f"{path}: cannot be loaded ({first_line(error)})") from error


def _in_order(module: nn.Module, inputs: Inputs) -> tuple[Tensor, ...]:
    """Inputs as a lite file takes them: in the order of the module's parameters."""
    if not isinstance(inputs, Mapping):
        return inputs
    try:
        return inspect.signature(module.forward).bind(**inputs).args
    except (TypeError, ValueError):  # of a scripted module: it has no signature to speak of
        return tuple(inputs.values())


def _run_lite_file(path: Path, lite, inputs: tuple[Tensor, ...]) -> list[Named]:
    try:
        with torch.no_grad():
            outputs = lite(*inputs)
    except RuntimeError as error:
        raise ArtifactError(f"{path}: cannot run ({first_line(error)})") from error
    return named_arrays(outputs)
