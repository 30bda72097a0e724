"""Drift of a Core ML artifact, operation by operation, in this project's runtime.

The expected values come from a float32 package of the same weights, which has the same operations in the
same order. The artifact has further operations between them: casts, and the quantization of activations.
Their error counts to the next operation. The error of a quantized weight counts to the operation that
takes it.

The own error of an operation is measured by teacher forcing. The artifact's program runs once, and the
outputs of each operation are replaced by the expected ones, in their declared types, before another
operation takes them.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from coremltools.models import MLModel
from torch import Tensor, nn

from converters.calibration import ComponentCalibration
from converters.coreml.export import CoreMLExporter
from converters.coreml.float16_repair import scaled
from converters.coreml.options import CoreMLOptions
from converters.coreml.package_spec import IMAGE_INPUT
from converters.coreml.trace_scopes import traced_path
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import SlotPrompt
from reference.common.errors import ArtifactError
from reference.modeling.sam import Sam
from validation import mil_runtime
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines.package_engine import frame_to_image
from validation.inspection.drift.drift import Drift
from validation.inspection.origins import source_path
from validation.metrics import TensorDifference, tensor_difference
from validation.mil_runtime.model.program_structure import Operation
from validation.mil_runtime.operators import find_operator

# Operations in which conversions of the same module differ.
_BETWEEN = ("cast", "quantize", "dequantize")
_DECOMPRESSION = "constexpr_"


def measure(
    artifact: Artifact, sam: Sam, frame: Tensor, prompt: SlotPrompt
) -> list[Drift] | Unavailable:
    """Measure drift as ``measure_drift`` says; artifact and reference both get the frame rounded to 8 bits."""
    variant, slots = artifact.variant, artifact.prompt_slots
    drifts: list[Drift] = []
    for module, spec, inputs in (
        (ChannelsFirstImageEncoder(sam), image_encoder_spec(variant), (frame,)),
        (
            ChannelsFirstMaskDecoder(sam),
            mask_decoder_spec(variant, slots),
            (sam.encode_image(frame), *prompt.tensors),
        ),
    ):
        program = _load(artifact, spec)
        module = scaled(module.eval(), artifact.float16_exponents[spec.name])
        measured = _measure(program, module, spec, inputs)
        if isinstance(measured, Unavailable):
            return measured
        drifts += measured
    return drifts


def _load(artifact: Artifact, spec: ModuleSpec) -> mil_runtime.Program:
    package = artifact.components[spec.name]
    try:
        program = mil_runtime.load(package)
    except mil_runtime.MilRuntimeError as error:
        raise ArtifactError(f"{error}; or convert the artifact again") from error
    if not isinstance(program, mil_runtime.Program):
        raise ArtifactError(f"{package}: is a pipeline, expected one ML Program; convert again")
    return program


def _measure(
    program: mil_runtime.Program,
    module: nn.Module,
    spec: ModuleSpec,
    inputs: Sequence[Tensor],
) -> list[Drift] | Unavailable:
    """Drift of one component."""
    options = CoreMLOptions("none", program.function.opset.name)
    example = tuple(inputs)
    calibration = ComponentCalibration(lambda: module, lambda: [example])
    model = CoreMLExporter(module, spec, example, calibration).convert(options, {}).model
    reference = mil_runtime.load(model, "float32")
    pairs = list(zip_longest(_comparable(program), _comparable(reference)))
    for operation, counterpart in pairs:
        if _describe(operation) != _describe(counterpart):
            return Unavailable(
                f"the {spec.name} has {_describe(operation)} where this version of the converter "
                f"has {_describe(counterpart)}: convert again to compare operation by operation"
            )
    own, total = _differences(program, reference, pairs, _features(spec, inputs))
    sources = _sources(model, module, spec.name)
    return [
        Drift(spec.name, name, operation.kind, sources[known], own[name], total[name])
        for operation, counterpart in pairs
        for name, known in zip(_names(operation), _names(counterpart), strict=True)
        if name in own and (own[name].where or not _moves_data(operation, program))
    ]


def _comparable(program: mil_runtime.Program) -> list[Operation]:
    return [
        operation
        for operation in program.function.block.operations
        if operation.kind not in _BETWEEN and not operation.kind.startswith(_DECOMPRESSION)
    ]


def _describe(operation: Operation | None) -> str:
    """The kind and the shapes that an operation and its counterpart have in common."""
    if operation is None:
        return "no more operations"
    shapes = (str(list(getattr(output.type, "shape", None) or ())) for output in operation.outputs)
    return f"{operation.kind} of {' and '.join(shapes)}"


def _names(operation: Operation) -> Iterator[str]:
    return (output.name for output in operation.outputs)


def _features(spec: ModuleSpec, inputs: Sequence[Tensor]) -> dict[str, object]:
    """The inputs of a component in the types that a package takes."""
    return {
        tensor.name: frame_to_image(value) if tensor.name == IMAGE_INPUT else value.numpy()
        for tensor, value in zip(spec.inputs, inputs, strict=True)
    }


def _differences(
    program: mil_runtime.Program,
    reference: mil_runtime.Program,
    pairs: Sequence[tuple[Operation, Operation]],
    data: Mapping[str, object],
) -> tuple[dict[str, TensorDifference], dict[str, TensorDifference]]:
    """The own and the total differences, by the name of the output in ``program``."""
    artifact_names = {
        known: name
        for operation, counterpart in pairs
        for name, known in zip(_names(operation), _names(counterpart), strict=True)
    }
    expected: dict[str, Tensor] = {}
    own: dict[str, TensorDifference] = {}
    total: dict[str, TensorDifference] = {}

    def expect(operation: Operation, _arguments: Mapping, outputs: tuple) -> None:
        for name, value in zip(_names(operation), outputs, strict=True):
            if name in artifact_names:
                expected[artifact_names[name]] = value

    def compare(operation: Operation, _arguments: Mapping, outputs: tuple) -> None:
        for name, value in zip(_names(operation), outputs, strict=True):
            if name in expected:
                total[name] = _difference(value, expected[name])

    def correct(operation: Operation, _arguments: Mapping, outputs: tuple) -> tuple | None:
        if operation.outputs[0].name not in expected:
            return None
        wanted = tuple(expected.pop(name) for name in _names(operation))
        held = tuple(known.to(value.dtype) for known, value in zip(wanted, outputs, strict=True))
        # An operation that only moves data does not round it. The operation before did.
        known = held if _moves_data(operation, program) else wanted
        for name, value, item in zip(_names(operation), outputs, known, strict=True):
            own[name] = _difference(value, item)
        return held

    reference.predict(data, observer=expect)
    program.predict(data, observer=compare)
    program.predict(data, observer=correct)  # last, because it frees the expected values
    return own, total


def _difference(value: Tensor, expected: Tensor) -> TensorDifference:
    return tensor_difference(value.float().numpy(), expected.float().numpy())


def _moves_data(operation: Operation, program: mil_runtime.Program) -> bool:
    return find_operator(operation.kind, program.function.opset).moves_data


def _sources(model: MLModel, module: nn.Module, component: str) -> dict[str, str]:
    """Name of an operation's output → path in ``Sam`` of the module that the operation came from."""
    return {
        output.name: source_path(component, traced_path(operation, module))
        for operation in model._mil_program.functions["main"].operations
        for output in operation.outputs
    }
