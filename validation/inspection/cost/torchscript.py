"""The static cost of a .ptl file, from following its code with tensors that have shapes and types but no numbers.

A ``.ptl`` file has the code of its modules beside the bytecode. Every operation of ``forward`` is called on torch's
meta device. Its kernels determine shapes, and whether a result shares the memory of an argument, without computing
numbers. The result is exact, because an export has fixed shapes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from converters.io_spec import ModuleSpec
from reference.common.errors import ArtifactError
from reference.common.torch_errors import first_line, is_out_of_memory
from validation.inspection.cost.component import ComponentCost, CountedOperation, summarize
from validation.inspection.cost.memory import Step, memory_use
from validation.inspection.cost.sources import ReferenceSources, layer_of_attribute
from validation.inspection.cost.torch_constants import TorchConstants
from validation.inspection.cost.torch_multiply_adds import (
    TRACED_CONVOLUTION,
    multiply_adds,
)
from validation.inspection.torch_graph import Submodule, names, run_container, run_operator

_META = torch.device("meta")


def component_cost(path: Path, spec: ModuleSpec, sources: ReferenceSources) -> ComponentCost:
    """Measure the static cost of a .ptl file.

    Args:
        path: path of the file.
        spec: the shapes and types of its inputs.
        sources: the reference modules of the component.

    Raises:
        ArtifactError: the file cannot be read, or its code cannot be followed.
    """
    inputs = [
        torch.empty(item.shape, dtype=getattr(torch, item.dtype), device=_META)
        for item in spec.inputs
    ]
    try:
        script = torch.jit.load(path, map_location="cpu")
        walk = Walk(script, sources)
        return walk.cost(inputs)
    # Torch raises any of these for a damaged file, or for a program with other kinds of nodes.
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise ArtifactError(
            f"{path}: cannot be followed ({first_line(error)}); convert again"
        ) from error


class Walk:
    """One walk through the operations of ``forward``, which counts their costs."""

    def __init__(self, script: torch.jit.ScriptModule, sources: ReferenceSources) -> None:
        """Take a module, and the reference modules that its operations came from."""
        self._root = Submodule("", script)
        self._graph = script.forward.inlined_graph
        self._sources = sources
        self._constants = TorchConstants()
        self._operations: list[CountedOperation] = []
        self._steps: list[Step] = []
        # Every value is kept, so that the identity of a storage is never used again for another.
        self._values: dict[str, object] = {}

    def cost(self, inputs: Sequence[Tensor]) -> ComponentCost:
        """The cost of ``forward`` on ``inputs``, tensors on the meta device."""
        self._values = dict(zip(names(self._graph.inputs()), (self._root, *inputs), strict=True))
        for node in self._graph.nodes():
            arguments = [self._values[name] for name in names(node.inputs())]
            results = self._run(node, arguments)
            self._values.update(zip(names(node.outputs()), results, strict=True))
        outputs = tensors(self._values[name] for name in names(self._graph.outputs()))
        taken = {_buffer(tensor): _nbytes(tensor) for tensor in inputs}
        return summarize(
            self._sources,
            self._operations,
            self._constants.parameters(),
            memory_use(taken, self._steps, [_buffer(tensor) for tensor in outputs]),
            None,
        )

    def _run(self, node: torch.Node, arguments: list) -> Sequence:
        kind = node.kind()
        match kind:
            case "prim::GetAttr":
                return [self._attribute(arguments[0], node.s("name"))]
            case "prim::Constant":
                return [self._constants.meta(node.output().toIValue(), None)]
            case "prim::NumToTensor":
                return [torch.tensor(arguments[0])]
        contents = run_container(node, arguments)
        if contents is not None:
            return contents
        results = run_on_meta(node, arguments)
        self._count(kind, arguments, results)
        return results

    def _attribute(self, part: Submodule, name: str) -> object:
        value = part.attribute(name)
        return (
            value
            if isinstance(value, Submodule)
            else self._constants.meta(value, part.path_of(name))
        )

    def _count(self, kind: str, arguments: Sequence, results: Sequence) -> None:
        """Count an operation, unless it only computes sizes."""
        made = tensors(results)
        if not made:
            return
        read = tensors(arguments)
        known = {_buffer(tensor) for tensor in read}
        is_constant = self._constants.holds
        reads = [_buffer(tensor) for tensor in read if not is_constant(tensor)]
        allocates = {
            _buffer(tensor): _nbytes(tensor)
            for tensor in made
            if _buffer(tensor) not in known  # otherwise it is a view, or was changed in place
        }
        self._steps.append(Step(reads, allocates))
        self._constants.derive(kind, read, made)
        path = self._constants.weight_path(kind, arguments)
        layer = None if path is None else layer_of_attribute(path)
        self._operations.append(CountedOperation(kind, multiply_adds(kind, arguments, made), layer))


def run_on_meta(node: torch.Node, arguments: list) -> Sequence:
    """Outputs of an operator on the meta device."""
    # It has no kernel on the meta device. Its arguments after the ninth only choose a library.
    if node.kind() == TRACED_CONVOLUTION:
        return [torch.ops.aten.convolution.default(*arguments[:9])]
    return run_operator(
        node, [_META if isinstance(value, torch.device) else value for value in arguments]
    )


def tensors(values: Iterable) -> list[Tensor]:
    """The tensors on the meta device among ``values``, and in the lists and tuples among them."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found += [value] if value.device == _META else []
        elif isinstance(value, (list, tuple)):
            found += tensors(value)
    return found


def _buffer(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _nbytes(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()
