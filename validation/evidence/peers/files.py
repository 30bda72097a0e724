"""The files that peers are run from: the same weights, as each of them wants them."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from converters.conversion import Source
from converters.export_modules import ImageEncoder, MaskDecoder
from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from reference.weights.checkpoint import UNUSED_TENSORS

ONNX_OPSET = 17
# Of TinyViT's ImageNet classifier, which is in the official file and used by nobody.
_CLASSES = 1000
# Those that onnxruntime's documentation recommends for each way: convolutions with weights of 8 bits
# and activations that are quantized as they come are slower than in float32.
_DYNAMIC_OPERATORS = ["MatMul", "Gemm"]
_STATIC_OPERATORS = ["MatMul", "Gemm", "Conv"]

Components = dict[str, Path]


def write_official(source: Source, folder: Path) -> Components:
    """``mobile_sam.pt`` as the official one is made, for whoever loads that strictly."""
    path = folder / "mobile_sam.pt"
    width = source.sam.variant.embed_dims[-1]
    shapes = {"norm_head.weight": (width,), "norm_head.bias": (width,)}
    shapes |= {"head.weight": (_CLASSES, width), "head.bias": (_CLASSES,)}
    head = {
        name: torch.zeros(shapes[name.removeprefix("image_encoder.")]) for name in UNUSED_TENSORS
    }
    torch.save({**head, **source.checkpoint.state_dict}, path)
    return {"image_encoder": path, "mask_decoder": path}


def export_onnx(source: Source, folder: Path) -> Components:
    """The modules that artifacts are converted from, in float32."""
    paths = {}
    for spec, module, inputs in _modules(source):
        paths[spec.name] = folder / f"{spec.name}.onnx"
        export_module(module, spec, inputs[0], paths[spec.name])
    return paths


def export_module(
    module: nn.Module, spec: ModuleSpec, tensors: tuple[Tensor, ...], path: Path
) -> None:
    """One module with ``spec``'s names and fixed shapes."""
    names = [[tensor.name for tensor in group] for group in (spec.inputs, spec.outputs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes become constants, as they should
        torch.onnx.export(
            module,
            tensors,
            path,
            input_names=names[0],
            output_names=names[1],
            opset_version=ONNX_OPSET,
            dynamo=False,
        )


def prepare_to_quantize(float32: Components, folder: Path) -> Components:
    """The same with shapes written out and constants folded, as onnxruntime's documentation asks for."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    paths = {name: folder / f"{name}.prepared.onnx" for name in float32}
    for name, path in paths.items():
        quant_pre_process(float32[name], path, skip_symbolic_shape=True)
    return paths


def quantize_dynamic(prepared: Components, folder: Path) -> Components:
    """Weights of 8 bits; activations are quantized while they are computed."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    paths = {name: folder / f"{name}.dynamic.onnx" for name in prepared}
    for name, path in paths.items():
        quantize_dynamic(
            prepared[name],
            path,
            # Not per channel: onnxruntime then refuses products of more than two axes when it runs.
            op_types_to_quantize=_DYNAMIC_OPERATORS,
            weight_type=QuantType.QInt8,
        )
    return paths


def quantize_static(prepared: Components, source: Source, folder: Path) -> Components:
    """Weights and activations of 8 bits, with ranges from the sample photos (QDQ)."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    paths = {}
    for spec, _, inputs in _modules(source):
        names = [tensor.name for tensor in spec.inputs]
        paths[spec.name] = folder / f"{spec.name}.static.onnx"
        quantize_static(
            prepared[spec.name],
            paths[spec.name],
            Samples(names, inputs, _input_names(prepared[spec.name])),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_STATIC_OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    return paths


class Samples:
    """Real inputs, in the shape of onnxruntime's ``CalibrationDataReader``."""

    def __init__(
        self, names: Sequence[str], inputs: Sequence[tuple[Tensor, ...]], wanted: Sequence[str]
    ) -> None:
        self._feeds = self._feed(names, inputs, wanted)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Inputs by name; None after the last."""
        return next(self._feeds, None)

    @staticmethod
    def _feed(
        names: Sequence[str], inputs: Sequence[tuple[Tensor, ...]], wanted: Sequence[str]
    ) -> Iterator[dict[str, np.ndarray]]:
        for tensors in inputs:
            given = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
            yield {name: given[name] for name in wanted}


def _input_names(path: Path) -> list[str]:
    import onnx

    return [item.name for item in onnx.load(path, load_external_data=False).graph.input]


def _modules(
    source: Source,
) -> Iterator[tuple[ModuleSpec, nn.Module, list[tuple[Tensor, ...]]]]:
    sam, goldens = source.sam, source.goldens
    encoder_spec = image_encoder_spec(sam.variant)
    decoder_spec = mask_decoder_spec(sam.variant, source.prompt_slots)
    yield encoder_spec, ImageEncoder(sam).eval(), goldens.encoder_inputs()
    yield decoder_spec, MaskDecoder(sam).eval(), goldens.decoder_inputs()
