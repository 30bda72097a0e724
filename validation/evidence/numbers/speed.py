"""Measures the time to encode a photo and to decode a prompt, compared with onnxruntime."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit.mobile import _load_for_lite_interpreter

from converters.conversion import Source
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.io_spec import ModuleSpec, image_encoder_spec, mask_decoder_spec
from converters.torchscript.options import SCHEMES
from reference.common.errors import MobileSAMError
from validation.evidence.bench import THREADS, Bench
from validation.evidence.numbers.turns import Call, Turns
from validation.evidence.page import Table
from validation.evidence.peers.engines import onnx_session
from validation.evidence.peers.files import export_module

ONNX_TOLERANCE = 1e-3  # for any output, so that onnxruntime is known to compute the same
ENCODES, DECODES = (7, 1), (12, 5)  # number of rounds, and of calls per turn
PEER = "onnxruntime float32"


@dataclass(frozen=True)
class TimedProgram:
    """A program that encodes the same photo, and decodes the same prompt, as all others."""

    name: str
    encode: Call
    decode: Call


def measure_speed(bench: Bench) -> list[Table]:
    """Measure the reference, every TorchScript artifact, and onnxruntime."""
    with torch.no_grad():
        programs = [
            _onnxruntime(bench),
            _reference(bench.source),
            *_lite_interpreters(bench),
        ]
        turns = Turns()
        encode = turns.take({each.name: each.encode for each in programs}, *ENCODES)
        decode = turns.take({each.name: each.decode for each in programs}, *DECODES)
    rows = [
        (each.name, *_cells(encode, each.name), *_cells(decode, each.name)) for each in programs
    ]
    columns = [f"{verb} {what}" for verb in ("encode", "decode") for what in ("ms", "lowest", "×")]
    note = (
        f"{THREADS} threads. The times are medians of {np.prod(ENCODES)} calls (encode) and "
        f"{np.prod(DECODES)} calls (decode), taken in alternating turns. × is the ratio of the "
        f"median to that of {PEER}. {turns.disturbed} of "
        f"{len(programs) * (ENCODES[0] + DECODES[0])} turns were disturbed by other processes."
    )
    return [Table("speed", ("torch", "onnxruntime"), ("<", *columns), rows, note)]


def _cells(times: dict[str, list[float]], name: str) -> tuple[str, str, str]:
    middle, lowest = (1000 * function(times[name]) for function in (median, min))
    return f"{middle:.0f}", f"{lowest:.0f}", f"{median(times[name]) / median(times[PEER]):.2f}"


def _inputs(source: Source) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the inputs of the encoder and of the decoder: a photo, and one point in slots."""
    return source.goldens.encoder_inputs()[0], source.goldens.decoder_inputs()[0]


def _reference(source: Source) -> TimedProgram:
    (frame,), (image_embeddings, coords, labels, *_) = _inputs(source)
    points = coords[:, :1], labels[:, :1].int()
    return TimedProgram(
        "PyTorch eager, the reference",
        lambda: source.sam.encode_image(frame),
        lambda: source.sam.decode_prompts(image_embeddings, points, None, None),
    )


def _lite_interpreters(bench: Bench) -> Iterator[TimedProgram]:
    inputs = _inputs(bench.source)
    for scheme in SCHEMES:
        artifact = bench.artifact("torchscript", scheme)
        calls = []
        for path, tensors in zip(artifact.components.values(), inputs, strict=True):
            module = _load_for_lite_interpreter(path)
            calls.append(lambda m=module, t=tensors: m(*t))
        yield TimedProgram(f".ptl {scheme}", *calls)


def _onnxruntime(bench: Bench) -> TimedProgram:
    """Run the export modules in float32, through ONNX."""
    sam = bench.source.sam
    modules = ChannelsFirstImageEncoder(sam).eval(), ChannelsFirstMaskDecoder(sam).eval()
    specs = (
        image_encoder_spec(sam.variant),
        mask_decoder_spec(sam.variant, bench.source.prompt_slots),
    )
    calls = [
        _onnx_call(module, spec, tensors, bench.folder / f"{spec.name}.onnx")
        for module, spec, tensors in zip(modules, specs, _inputs(bench.source), strict=True)
    ]
    return TimedProgram(PEER, *calls)


def _onnx_call(
    module: nn.Module, spec: ModuleSpec, tensors: tuple[Tensor, ...], path: Path
) -> Call:
    try:
        import onnx  # noqa: F401  torch needs it to export
        import onnxruntime  # noqa: F401  onnx_session needs it
    except ImportError as error:
        raise MobileSAMError(
            f"{error.name} is not installed: run pip install -e '.[test]', or make numbers"
        ) from None
    export_module(module, spec, tensors, path)
    session = onnx_session(path, THREADS)
    names = [tensor.name for tensor in spec.inputs]
    feeds = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
    feeds = {given.name: feeds[given.name] for given in session.get_inputs()}
    _check_outputs(spec, session.run(None, feeds), module(*tensors))
    return lambda: session.run(None, feeds)


def _check_outputs(
    spec: ModuleSpec, outputs: Sequence[np.ndarray], expected: Tensor | tuple[Tensor, ...]
) -> None:
    expected = (expected,) if isinstance(expected, Tensor) else expected
    for tensor, output, wanted in zip(spec.outputs, outputs, expected, strict=True):
        difference = np.abs(output - wanted.numpy()).max()
        if not difference <= ONNX_TOLERANCE:
            raise MobileSAMError(
                f"{PEER} computes another {tensor.name}: the difference is {difference:.2g}, expected "
                f"at most {ONNX_TOLERANCE}"
            )
