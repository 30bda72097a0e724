"""Writes the peers' files: the same weights, in the form that each peer needs."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from converters.conversion import Source
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from reference.modeling.sam import Sam
from reference.weights.checkpoint import UNUSED_TENSORS

ONNX_OPSET = 17
# The classes of TinyViT's ImageNet classifier, which is in the official file although nothing uses it.
_CLASSES = 1000
# The operators that onnxruntime's documentation recommends for each kind of quantization. Dynamically
# quantized convolutions would be slower than float32 ones.
_DYNAMIC_OPERATORS = ["MatMul", "Gemm"]
_STATIC_OPERATORS = ["MatMul", "Gemm", "Conv"]

Components = dict[str, Path]


def write_official(source: Source, folder: Path) -> Components:
    """Write a ``mobile_sam.pt`` with all tensors of the official one, for programs that load it strictly."""
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
    """Export to ONNX the reference's image encoder and the mask decoder for Core ML, in float32."""
    paths = {}
    for spec, module, inputs in _modules(source):
        paths[spec.name] = folder / f"{spec.name}.onnx"
        export_module(module, spec, inputs[0], paths[spec.name])
    return paths


def export_module(
    module: nn.Module, spec: ModuleSpec, tensors: tuple[Tensor, ...], path: Path
) -> None:
    """Export one module, with the names and fixed shapes of ``spec``."""
    names = [[tensor.name for tensor in group] for group in (spec.inputs, spec.outputs)]
    with warnings.catch_warnings():
        # torch warns that sizes become constants, which is intended.
        warnings.simplefilter("ignore")
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
    """Add shapes and fold constants, as onnxruntime's documentation recommends before quantizing."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    paths = {name: folder / f"{name}.prepared.onnx" for name in float32}
    for name, path in paths.items():
        quant_pre_process(float32[name], path, skip_symbolic_shape=True)
    return paths


def quantize_dynamic(prepared: Components, folder: Path) -> Components:
    """Quantize weights to 8 bits. Activations are quantized at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    paths = {name: folder / f"{name}.dynamic.onnx" for name in prepared}
    for name, path in paths.items():
        quantize_dynamic(
            prepared[name],
            path,
            # per_channel is off, because onnxruntime would then refuse products with more than two axes.
            op_types_to_quantize=_DYNAMIC_OPERATORS,
            weight_type=QuantType.QInt8,
        )
    return paths


def quantize_static(prepared: Components, source: Source, folder: Path) -> Components:
    """Quantize weights and activations to 8 bits, with ranges from the sample photos (QDQ)."""
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
    """Real inputs, with the interface of onnxruntime's ``CalibrationDataReader``."""

    def __init__(
        self, names: Sequence[str], inputs: Sequence[tuple[Tensor, ...]], wanted: Sequence[str]
    ) -> None:
        self._feeds = self._feed(names, inputs, wanted)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next inputs by name; None after the last."""
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


class NormalizingEncoder(nn.Module):
    """The reference's image encoder after the normalization of pixels.

    It has linear layers, which onnxruntime quantizes. In the module for Core ML they are 1×1 convolutions.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.encode = sam.image_encoder
        self.register_buffer("pixel_mean", sam.pixel_mean)
        self.register_buffer("pixel_std", sam.pixel_std)

    def forward(self, image: Tensor) -> Tensor:
        return self.encode((image - self.pixel_mean) / self.pixel_std)


def _modules(
    source: Source,
) -> Iterator[tuple[ModuleSpec, nn.Module, list[tuple[Tensor, ...]]]]:
    sam, goldens = source.sam, source.goldens
    encoder_spec = image_encoder_spec(sam.variant)
    decoder_spec = mask_decoder_spec(sam.variant, source.prompt_slots)
    yield encoder_spec, NormalizingEncoder(sam).eval(), goldens.encoder_inputs()
    yield decoder_spec, ChannelsFirstMaskDecoder(sam).eval(), goldens.decoder_inputs()
