"""Drift of a TorchScript artifact, module by module.

A ``.ptl`` file has the code of its modules beside the bytecode, so ``torch.jit.load`` opens it with the
module tree of the export module. But not every traced module can be called alone, because tracing turns
values that modules share into arguments. Therefore the code is run as it stands. The graph of a module
that calls others is followed node by node, each with torch's own operator. A module that calls no other is
called as a whole. After every call the result is compared. To measure a module's own error, the run then
continues with the output of the eager module.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import SlotPrompt
from converters.torchscript.format import TORCHSCRIPT
from reference.common.errors import ArtifactError
from reference.common.torch_errors import first_line, is_out_of_memory
from reference.modeling.sam import Sam
from validation.artifacts.artifact import Artifact
from validation.inspection.drift.drift import Drift
from validation.inspection.origins import source_path
from validation.inspection.torch_graph import Submodule, names, run_container, run_operator
from validation.metrics import TensorDifference, tensor_difference

# Modules that pass on what others computed. They are listed only if they change a value.
_HANDS_ON = (nn.Sequential, nn.Identity, nn.Dropout)


def measure(artifact: Artifact, sam: Sam, frame: Tensor, prompt: SlotPrompt) -> list[Drift]:
    """Measure drift as ``measure_drift`` says."""
    modules = TORCHSCRIPT.modules
    variant, slots = artifact.variant, artifact.prompt_slots
    with torch.no_grad():
        return [
            drift
            for module, spec, inputs in (
                (modules["image_encoder"](sam), image_encoder_spec(variant), (frame,)),
                (
                    modules["mask_decoder"](sam),
                    mask_decoder_spec(variant, slots),
                    (sam.encode_image(frame), *prompt.tensors),
                ),
            )
            for drift in _measure(artifact.components[spec.name], module.eval(), spec, inputs)
        ]


def _measure(
    path: Path, module: nn.Module, spec: ModuleSpec, inputs: tuple[Tensor, ...]
) -> Iterator[Drift]:
    """Drift of one component."""
    expected = _record(module, inputs)
    try:
        script = torch.jit.load(path)
        total = _ComparedRun(script, expected, corrects=False).differences(inputs)
        own = _ComparedRun(script, expected, corrects=True).differences(inputs)
    except (RuntimeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        raise ArtifactError(
            f"{path}: cannot be run ({first_line(error)}); convert again"
        ) from error
    modules = dict(module.named_modules(remove_duplicate=False))
    for (name, index), difference in own.items():
        hands_on = isinstance(modules[name], _HANDS_ON)
        if hands_on and difference.where is None:
            continue
        yield Drift(
            component=spec.name,
            name=name or spec.outputs[index].name,
            kind=type(modules[name]).__name__,
            source=source_path(spec.name, name),
            own=difference,
            total=total[name, index],
        )


@dataclass(frozen=True)
class _Expected:
    """The outputs of every module in a run of the eager module.

    Attributes:
        modules: path → key of the module; a module that has several paths has one key.
        outputs: key → outputs of the module, one tuple for each call.
    """

    modules: Mapping[str, int]
    outputs: Mapping[int, Sequence[tuple[Tensor, ...]]]

    def calls_others(self, path: str) -> bool:
        """Whether the module at ``path`` called a module within it."""
        return any(
            below.startswith(f"{path}.") or not path
            for below, key in self.modules.items()
            if below != path and key in self.outputs
        )


def _record(module: nn.Module, inputs: tuple[Tensor, ...]) -> _Expected:
    """Run ``module``, and keep the outputs of each module within it."""
    outputs = defaultdict(list)

    def keep(called: nn.Module, _inputs: tuple, output: Tensor | tuple[Tensor, ...]) -> None:
        # Copies, because the next operation may work in place.
        outputs[id(called)].append(tuple(tensor.clone() for tensor in _as_tuple(output)))

    hooks = [part.register_forward_hook(keep) for part in module.modules()]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    paths = module.named_modules(remove_duplicate=False)
    return _Expected({path: id(part) for path, part in paths}, outputs)


class _ComparedRun:
    """One run of an artifact's module, which is compared with the expected outputs call by call."""

    def __init__(self, script: torch.jit.ScriptModule, expected: _Expected, corrects: bool) -> None:
        """Take the module; ``corrects`` says whether each call's outputs are replaced by the expected ones."""
        self._root = Submodule("", script)
        self._expected, self._corrects = expected, corrects
        self._calls = {key: iter(calls) for key, calls in expected.outputs.items()}
        self._differences: dict[tuple[str, int], TensorDifference] = {}

    def differences(self, inputs: tuple[Tensor, ...]) -> dict[tuple[str, int], TensorDifference]:
        """Differences by path of the module and index of its output, where it has the eager module's outputs."""
        self._call(self._root, "forward", inputs)
        return self._differences

    def _call(self, part: Submodule, method_name: str, arguments: Sequence) -> object:
        method = getattr(part.script, method_name)
        if self._expected.calls_others(part.path):
            result = self._follow(method.graph, part, arguments)
        else:
            result = method(*arguments)
        return self._compare(part.path, result)

    def _compare(self, path: str, result: object) -> object:
        """Compare the result of a call, and return the value to continue with."""
        key = self._expected.modules.get(path)
        wanted = next(self._calls.get(key, iter(())), None)
        # Tracing drops and reorders tuple outputs of inner modules, but keeps those of the root.
        if wanted is None or (path and (len(wanted) > 1 or not isinstance(result, Tensor))):
            return result
        for index, (value, known) in enumerate(zip(_as_tuple(result), wanted, strict=True)):
            difference = tensor_difference(value.numpy(), known.numpy())
            # A module that is called for each strip of an image is as far off as its worst call.
            worst = self._differences.get((path, index), difference)
            self._differences[path, index] = max(
                worst, difference, key=lambda item: item.relative_l2
            )
        return wanted[0].clone() if path and self._corrects else result

    def _follow(self, graph: torch.Graph, part: Submodule, arguments: Sequence) -> object:
        """Run a graph node by node."""
        values = dict(zip(names(graph.inputs()), (part, *arguments), strict=True))
        for node in graph.nodes():
            results = self._run_node(node, [values[name] for name in names(node.inputs())])
            values.update(zip(names(node.outputs()), results, strict=True))
        (output,) = names(graph.outputs())
        return values[output]

    def _run_node(self, node: torch.Node, inputs: list) -> Sequence:
        """Outputs of a node."""
        kind = node.kind()
        if kind == "prim::CallMethod":
            return [self._call(inputs[0], node.s("name"), inputs[1:])]
        if kind == "prim::GetAttr":
            return [inputs[0].attribute(node.s("name"))]
        if kind == "prim::Constant":
            return [node.output().toIValue()]
        contents = run_container(node, inputs)
        return run_operator(node, inputs) if contents is None else contents


def _as_tuple(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (output,) if isinstance(output, Tensor) else output
