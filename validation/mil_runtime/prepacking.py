"""Hands convolutions and linear layers to oneDNN when a program is loaded, with the GELU that follows.

oneDNN arranges weights once for its kernels, and computes a GELU before results leave the cache. It adds in
another order than torch's default kernels, so this is only for numerics in which nothing is rounded.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from validation.mil_runtime.arithmetic.onednn import PackedConvolution, PackedLinear
from validation.mil_runtime.execution import PlannedOperation
from validation.mil_runtime.model.program_structure import Block, Constant, Reference
from validation.mil_runtime.numerics import Numerics

# Parameter → value, for a convolution's parameters other than its tensors.
_CONVOLUTION = {
    "strides": [1, 1],
    "pad_type": "valid",
    "pad": [0, 0, 0, 0],
    "dilations": [1, 1],
    "groups": 1,
}


def prepack(
    steps: Sequence[PlannedOperation],
    block: Block,
    constants: Mapping[str, Constant],
    numerics: Numerics,
) -> tuple[PlannedOperation, ...]:
    """Return steps that compute the same as ``steps``, as far as possible in oneDNN."""
    if numerics.rounds or numerics.compute != torch.float32:
        return tuple(steps)
    if not torch.backends.mkldnn.is_available():
        return tuple(steps)
    uses = Counter(name for step in steps for name in step.operation.references())
    uses.update(block.outputs)
    gelus = {
        name: step
        for step in steps
        if step.operation.kind == "gelu"
        and _constants(step, {"mode": "EXACT"}, constants)["mode"] == "EXACT"
        for name in step.operation.references()
        if uses[name] == 1
    }
    packed: list[PlannedOperation] = []
    fused: set[str] = set()  # the outputs of GELUs that a layer before computes
    for step in steps:
        if fused & {output.name for output in step.operation.outputs}:
            continue
        gelu = gelus.get(step.operation.outputs[0].name) if step.operation.outputs else None
        layer = _pack(step, constants, gelu is not None)
        if layer is None:
            packed.append(step)
            continue
        if gelu is not None:
            fused.update(output.name for output in gelu.operation.outputs)
        packed.append(_replaced(step, layer, gelu))
    return tuple(packed)


def _pack(
    step: PlannedOperation, constants: Mapping[str, Constant], gelu: bool
) -> Callable[[Tensor], Tensor] | None:
    """Return the layer that a step computes in oneDNN, or None if oneDNN cannot compute it."""
    if step.operation.kind not in ("linear", "conv"):
        return None
    tensors = _constants(step, {"weight": None, "bias": None}, constants)
    weight, bias = tensors["weight"], tensors["bias"]
    if not isinstance(weight, Tensor) or (bias is None and "bias" in step.operation.arguments):
        return None
    if weight.dtype != torch.float32 or not weight.numel():
        return None
    if step.operation.kind == "linear":
        return PackedLinear(weight, bias, gelu) if weight.dim() == 2 else None
    settings = _constants(step, _CONVOLUTION, constants)
    if weight.dim() != 4 or None in settings.values():
        return None
    pad = settings["pad"] if settings["pad_type"] == "custom" else [0, 0, 0, 0]
    strides, dilations, groups = (settings[name] for name in ("strides", "dilations", "groups"))
    if settings["pad_type"] not in ("valid", "custom") or pad[::2] != pad[1::2] or min(pad) < 0:
        return None
    if min(*strides, *dilations, groups) < 1 or len(weight) % groups:
        return None
    return PackedConvolution(weight, bias, strides, pad[::2], dilations, groups, gelu)


def _constants(
    step: PlannedOperation, defaults: Mapping[str, object], constants: Mapping[str, Constant]
) -> dict[str, object]:
    """Return the constant arguments of a step, and None for those that are not constant."""
    values: dict[str, object] = dict(defaults)
    for name in defaults.keys() & step.operation.arguments.keys():
        (binding,) = step.operation.arguments[name]
        value = constants.get(binding.name) if isinstance(binding, Reference) else binding
        is_list = isinstance(value, Tensor) and not value.is_floating_point()
        values[name] = value.tolist() if is_list else value
    return values


def _replaced(
    step: PlannedOperation, layer: Callable[[Tensor], Tensor], gelu: PlannedOperation | None
) -> PlannedOperation:
    """Return a step that computes ``layer``, and so the outputs of the step or of the GELU after it."""
    inputs = tuple(item for item in step.arguments if item[0].name == "x")
    operator = replace(
        step.operator, function=lambda x: layer(x), takes_context=False, half_kernel=False
    )
    if gelu is None:
        return replace(step, operator=operator, arguments=inputs)
    between = {output.name for output in step.operation.outputs}
    return replace(
        step,
        operation=replace(step.operation, outputs=gelu.operation.outputs),
        operator=operator,
        arguments=inputs,
        last_used=tuple({*step.last_used, *gelu.last_used} - between),
    )
