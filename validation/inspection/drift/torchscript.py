"""Drift of a TorchScript artifact, module by module.

A ``.ptl`` holds its modules' code beside the bytecode, so that ``torch.jit.load`` opens it with the
tree of the export module. Traced modules cannot all be called alone: tracing makes values that they
share into arguments, and a call of one module into part of another. So the code is run here as it
stands: graphs of modules that call others are followed node by node, each node by torch's own
operator, and modules that call none are called whole. Around every call there is the moment to
compare, and, for a module's own error, to go on with what the eager module gives.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from converters.export_modules import ImageEncoder, MaskDecoder
from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import SlotPrompt
from converters.torchscript.phone_engine import PHONE_ENGINE, has_phone_engine, phone_engine
from reference.common.errors import ArtifactError
from reference.common.torch_errors import first_line, is_out_of_memory
from reference.modeling.sam import Sam
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.inspection.drift.drift import Drift
from validation.inspection.origins import source_path
from validation.inspection.torch_graph import Part, names, run_container, run_operator
from validation.metrics import TensorDifference, tensor_difference

# What hands on values that others computed; of no interest unless they change one.
_HANDS_ON = (nn.Sequential, nn.Identity, nn.Dropout)


def measure(
    artifact: Artifact, sam: Sam, frame: Tensor, prompt: SlotPrompt
) -> list[Drift] | Unavailable:
    """See ``validation.inspection.drift.measure_drift``; quantized operators are computed as phones do."""
    quantized = artifact.scheme == "int8"
    if quantized and not has_phone_engine():
        return Unavailable(f"this build of torch lacks {PHONE_ENGINE}, which int8 runs with")
    variant, slots = artifact.variant, artifact.prompt_slots
    with torch.no_grad(), phone_engine() if quantized else contextlib.nullcontext():
        return [
            drift
            for module, spec, inputs in (
                (ImageEncoder(sam), image_encoder_spec(variant), (frame,)),
                (
                    MaskDecoder(sam),
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
        total = _Run(script, expected, corrects=False).differences(inputs)
        own = _Run(script, expected, corrects=True).differences(inputs)
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
    """What the eager module computed.

    Attributes:
        modules: path → the module's key; a module that is reached by several paths has one.
        outputs: key → its outputs, a tuple for every call.
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
    """Run ``module``, and keep what each module within it gives."""
    outputs = defaultdict(list)

    def keep(called: nn.Module, _inputs: tuple, output: Tensor | tuple[Tensor, ...]) -> None:
        # Copies, since the next operation may work in place.
        outputs[id(called)].append(tuple(tensor.clone() for tensor in _as_tuple(output)))

    hooks = [part.register_forward_hook(keep) for part in module.modules()]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    paths = module.named_modules(remove_duplicate=False)
    return _Expected({path: id(part) for path, part in paths}, outputs)


class _Run:
    """One run of an artifact's module, compared call by call with what was expected."""

    def __init__(self, script: torch.jit.ScriptModule, expected: _Expected, corrects: bool) -> None:
        """``corrects``: whether to go on with what was expected after each call."""
        self._root = Part("", script)
        self._expected, self._corrects = expected, corrects
        self._calls = {key: iter(calls) for key, calls in expected.outputs.items()}
        self._differences: dict[tuple[str, int], TensorDifference] = {}

    def differences(self, inputs: tuple[Tensor, ...]) -> dict[tuple[str, int], TensorDifference]:
        """By path and index of the output; of modules that give what the eager one gives."""
        self._call(self._root, "forward", inputs)
        return self._differences

    def _call(self, part: Part, method_name: str, arguments: Sequence) -> object:
        method = getattr(part.script, method_name)
        if self._expected.calls_others(part.path):
            result = self._follow(method.graph, part, arguments)
        else:
            result = method(*arguments)
        return self._compare(part.path, result)

    def _compare(self, path: str, result: object) -> object:
        """Compare a call's result; gives what to go on with."""
        key = self._expected.modules.get(path)
        wanted = next(self._calls.get(key, iter(())), None)
        # Tracing drops and reorders what modules within give as tuples; the root keeps its own.
        if wanted is None or (path and (len(wanted) > 1 or not isinstance(result, Tensor))):
            return result
        for index, (value, known) in enumerate(zip(_as_tuple(result), wanted, strict=True)):
            self._differences[path, index] = tensor_difference(value.numpy(), known.numpy())
        return wanted[0].clone() if path and self._corrects else result

    def _follow(self, graph: torch.Graph, part: Part, arguments: Sequence) -> object:
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
