"""TorchScript files of every scheme and bytecode version run in the lite interpreter."""

import copy
import dataclasses
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.jit.mobile import _get_model_bytecode_version, _load_for_lite_interpreter

from converters.calibration import ComponentCalibration
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.export_modules.channels_last.image_encoder import ChannelsLastImageEncoder
from converters.export_modules.channels_last.mask_decoder import ChannelsLastMaskDecoder
from converters.io_spec import ModuleSpec, TensorSpec, image_encoder_spec, mask_decoder_spec
from converters.quantization.quantized_weight import replaced_weights
from converters.quantization.rounding import fits, round_weights
from converters.quantization.weight_formats import Integers, WeightFormat
from converters.quantization.weight_matrix import large_layers
from converters.torchscript.export import LiteFile, export_torchscript
from converters.torchscript.options import BYTECODE_VERSIONS, SCHEMES, TorchScriptOptions
from reference.common.errors import ConversionError, OutputError
from reference.modeling.sam import Sam
from reference.modeling.variants import VARIANTS

MANIFEST = {"manifest.json": '{"model": "tiny", "author": "Åse"}'}
SLOTS = 3
TINY = dataclasses.replace(
    VARIANTS["vit_t"],
    embed_dims=(16, 32, 32, 64),
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 1, 2),
    image_size=128,
    embedding_dim=64,
    decoder_mlp_dim=128,
)


@dataclasses.dataclass(frozen=True)
class Part:
    """An export module with its spec and two sets of inputs.

    ``called`` has the same layers, and calls each of them.
    """

    module: nn.Module
    called: nn.Module
    spec: ModuleSpec
    inputs: list[tuple[Tensor, ...]]


@pytest.fixture(scope="module")
def parts() -> dict[str, Part]:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        sam = Sam(TINY).eval()
        encoder, decoder = (
            ChannelsLastImageEncoder(sam).eval(),
            ChannelsLastMaskDecoder(sam).eval(),
        )
        images = [(torch.rand(1, 3, 128, 128) * 255,) for _ in range(2)]
        prompts = [
            (
                encoder(*image),
                torch.rand(1, SLOTS, 2) * 128,
                torch.tensor([[1.0, 0.0, -2.0]]),
                torch.zeros(1, 1, 32, 32),
                torch.zeros(1),
            )
            for image in images
        ]
    return {
        "encoder": Part(
            encoder, ChannelsFirstImageEncoder(sam).eval(), image_encoder_spec(TINY), images
        ),
        "decoder": Part(
            decoder, ChannelsFirstMaskDecoder(sam).eval(), mask_decoder_spec(TINY, SLOTS), prompts
        ),
    }


def export(part: Part, path: Path, scheme: str = "none", version: int = 7) -> LiteFile:
    """Write a .ptl file. With int8, all large layers are stored in int8."""
    options = TorchScriptOptions(scheme, version)
    return export_with(
        part,
        options,
        path,
        dict.fromkeys(large_layers(part.module), Integers(8)) if scheme == "int8" else {},
    )


def export_with(
    part: Part, options: TorchScriptOptions, path: Path, formats: Mapping[str, WeightFormat]
) -> LiteFile:
    calibration = ComponentCalibration(lambda: part.called, lambda: part.inputs)
    return export_torchscript(
        part.module,
        part.spec,
        options,
        path,
        part.inputs,
        MANIFEST,
        formats,
        calibration,
    )


def run(path: Path, example: tuple[Tensor, ...]) -> list[Tensor]:
    outputs = _load_for_lite_interpreter(str(path))(*example)
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def tensor_bytes(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(
            i.file_size for i in archive.infolist() if i.filename.startswith("archive/data/")
        )


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_float32_gives_the_numbers_of_the_module(parts, tmp_path, name):
    part = parts[name]
    lite = export(part, tmp_path / "m.ptl")
    for example in part.inputs:  # the second was not traced with
        with torch.no_grad():
            expected = part.module(*example)
        expected = [expected] if isinstance(expected, Tensor) else expected
        for output, wanted in zip(run(lite.path, example), expected, strict=True):
            torch.testing.assert_close(output, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_bytecode_version_gives_the_same_numbers(parts, tmp_path, scheme):
    part = parts["encoder" if scheme == "fp16" else "decoder"]
    results = []
    for version in BYTECODE_VERSIONS:
        lite = export(part, tmp_path / f"{version}.ptl", scheme, version)
        assert lite.bytecode_version == version == _get_model_bytecode_version(str(lite.path))
        results.append(run(lite.path, part.inputs[1]))
    for result in results[1:]:
        assert all(map(torch.equal, result, results[0]))


@pytest.mark.parametrize(("scheme", "bytes_per_weight"), [("none", 4), ("fp16", 2), ("int8", 1)])
def test_a_scheme_stores_weights_in_its_width(parts, tmp_path, scheme, bytes_per_weight):
    part = parts["decoder"]
    lite = export(part, tmp_path / "m.ptl", scheme)
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    weights = sum(m.weight.numel() for m in part.module.modules() if isinstance(m, layers))
    everything = sum(p.numel() for p in [*part.module.parameters(), *part.module.buffers()])
    small = 4 * (everything - weights)  # what stays float32
    if scheme == "int8":
        large = sum(layer.weight.numel() for layer in large_layers(part.module).values())
        small += 2 * (weights - large)  # in float16
        weights = large
    overhead = 0.35 * weights  # int8's scales, at this size, and the bundled inputs
    assert weights * bytes_per_weight <= tensor_bytes(lite.path) - small + 0.05 * weights
    assert tensor_bytes(lite.path) - small <= weights * bytes_per_weight + overhead


@pytest.mark.parametrize("name", ["encoder", "decoder"])
@pytest.mark.parametrize(("scheme", "tolerance"), [("fp16", 0.01), ("int8", 0.25)])
def test_smaller_schemes_stay_near_float32(parts, tmp_path, name, scheme, tolerance):
    part = parts[name]
    exact = run(export(part, tmp_path / "none.ptl").path, part.inputs[0])
    outputs = run(export(part, tmp_path / "small.ptl", scheme).path, part.inputs[0])
    for output, wanted in zip(outputs, exact, strict=True):
        assert 0 < (output - wanted).norm() <= tolerance * wanted.norm()


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_layers_of_different_widths_keep_their_rounded_weights(parts, tmp_path, name):
    part = parts[name]
    layers = large_layers(part.module)
    int4 = Integers(4, 32)
    formats = {path: int4 if fits(layer, int4) else Integers(8) for path, layer in layers.items()}
    del formats[next(iter(formats))]  # stays float16
    options = TorchScriptOptions("auto", max_size=10**6)
    outputs = run(export_with(part, options, tmp_path / "m.ptl", formats).path, part.inputs[0])
    module = copy.deepcopy(part.module)
    moments = ComponentCalibration(lambda: part.called, lambda: part.inputs).moments
    with torch.no_grad(), replaced_weights(module, round_weights(module, formats, moments)):
        wanted = module(*part.inputs[0])
    for output, exact in zip(outputs, wanted if name == "decoder" else [wanted], strict=True):
        assert (output - exact).norm() <= 2e-3 * exact.norm()  # the noise of float16
    assert int4 in formats.values()


@pytest.mark.parametrize("scheme", ["fp16", "int8"])
def test_every_scheme_computes_in_float32(parts, tmp_path, scheme):
    """Quantized kernels are slower than those of float32, and differ from engine to engine."""
    operators = export(parts["decoder"], tmp_path / "small.ptl", scheme).operators
    assert not [name for name in operators if name.startswith("quantized")]


@pytest.mark.parametrize("version", [5, 8])
@pytest.mark.parametrize("scheme", ["none", "int8"])
def test_extra_files_can_be_read_back(parts, tmp_path, scheme, version):
    lite = export(parts["decoder"], tmp_path / "m.ptl", scheme, version)
    extra = dict.fromkeys(MANIFEST, "")
    torch.jit.load(lite.path, _extra_files=extra)
    assert {name: text.decode() for name, text in extra.items()} == MANIFEST


@pytest.mark.parametrize("version", [5, 8])
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_bundled_inputs_run(parts, tmp_path, name, version):
    part = parts[name]
    module = _load_for_lite_interpreter(str(export(part, tmp_path / "m.ptl", "none", version).path))
    bundled = module.run_method("get_all_bundled_inputs")
    assert module.run_method("get_num_bundled_inputs") == len(bundled) == len(part.inputs)
    for example, original in zip(bundled, part.inputs, strict=True):
        module(*example)
        for given, exact in zip(example, original, strict=True):
            assert given.shape == exact.shape
            torch.testing.assert_close(given.mean(), exact.mean(), rtol=0.05, atol=0.02)
    if name == "decoder":  # small tensors are exact
        assert torch.equal(bundled[1][1], part.inputs[1][1])


@pytest.mark.parametrize(("scheme", "version"), [("none", 8), ("fp16", 7), ("int8", 5)])
def test_two_exports_are_byte_identical(parts, tmp_path, scheme, version):
    first = export(parts["decoder"], tmp_path / "one.ptl", scheme, version)
    export(parts["encoder"], tmp_path / "between.ptl", "none")
    second = export(parts["decoder"], tmp_path / "other_name.ptl", scheme, version)
    assert first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize("version", [5, 8])
def test_no_path_of_this_machine_is_in_the_file(parts, tmp_path, version):
    lite = export(parts["encoder"], tmp_path / "m.ptl", "int8", version)
    with zipfile.ZipFile(lite.path) as archive:
        contents = [archive.read(name) for name in archive.namelist()]
    folders = (Path(__file__).parents[3], Path(torch.__file__).parents[1], tmp_path)
    assert not [path for path in folders if any(str(path).encode() in data for data in contents)]


def test_tensors_are_aligned(parts, tmp_path):
    lite = export(parts["decoder"], tmp_path / "m.ptl")
    reader = torch._C.PyTorchFileReader(str(lite.path))
    tensors = [name for name in reader.get_all_records() if name.startswith("data/")]
    assert tensors
    assert not [name for name in tensors if reader.get_record_offset(name) % 64]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_module_is_not_modified(parts, tmp_path, scheme):
    module = parts["decoder"].module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    export(parts["decoder"], tmp_path / "m.ptl", scheme)
    after = module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("scheme", ["fp32", "INT8", "", "w8a8"])
def test_unknown_scheme_is_refused(scheme):
    with pytest.raises(ConversionError, match=rf"'{scheme}'.*none, fp16, int8"):
        TorchScriptOptions(scheme=scheme)


@pytest.mark.parametrize("version", [4, 9, 0, -1])
def test_unknown_bytecode_version_is_refused(version):
    with pytest.raises(ConversionError, match=rf"{version}.*5 to 8"):
        TorchScriptOptions(bytecode_version=version)


class Odd(nn.Module):
    """A module that is refused because of one operation."""

    def __init__(self, operation) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(x)


def odd_part(operation, example: Tensor) -> Part:
    tensor = TensorSpec("x", (2, 2), range="real", meaning="")
    output = dataclasses.replace(tensor, name="y")
    spec = ModuleSpec("odd", "", inputs=(tensor,), outputs=(output,))
    module = Odd(operation)
    return Part(module, module, spec, [(example,)])


def failing(tmp_path, operation, example: Tensor, match: str) -> None:
    """Check that exporting is refused, and that an earlier file is unchanged."""
    path = tmp_path / "m.ptl"
    path.write_text("before")
    with pytest.raises(ConversionError, match=match):
        export(odd_part(operation, example), path)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["m.ptl"]


def test_an_operator_that_the_runtime_lacks_is_refused(tmp_path):
    # aten::rms_norm came after 2.1.0.
    failing(
        tmp_path,
        lambda x: torch.rms_norm(x, [2]),
        torch.ones(2, 2),
        r"pytorch_android_lite-2\.1\.0.*aten::rms_norm",
    )


def test_numbers_that_change_between_calls_are_refused(tmp_path):
    failing(tmp_path, lambda x: x + torch.rand(2, 2), torch.ones(2, 2), "output y .* differs")


def test_nan_is_refused(tmp_path):
    failing(tmp_path, torch.log, -torch.ones(2, 2), "output y .* differs by nan")


@pytest.mark.parametrize("example", [torch.ones(2, 3), torch.ones(2, 2, dtype=torch.float64)])
def test_inputs_that_do_not_fit_the_spec_are_refused(tmp_path, example):
    failing(tmp_path, torch.neg, example, r"input x of odd is .*expected float32 \(2, 2\)")


def test_missing_inputs_are_refused(parts, tmp_path):
    part = parts["decoder"]
    for inputs in ([], [part.inputs[0][:2]]):
        with pytest.raises(ConversionError, match="mask_decoder: expected"):
            export(dataclasses.replace(part, inputs=inputs), tmp_path / "m.ptl")


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e5, 1e30])
def test_weights_of_any_size_are_stored_as_halves(tmp_path, size):
    """float16 holds 6e-8 to 65504. Weights beyond are stored as digits and a power of two."""
    layer = nn.Linear(2, 2, bias=False).eval()
    layer.weight.data = torch.tensor([[0.3, -1.0], [0.7, 0.0]]) * size
    part = dataclasses.replace(odd_part(None, torch.ones(2, 2)), module=nn.Sequential(layer))
    (output,) = run(export(part, tmp_path / "m.ptl", "fp16").path, part.inputs[0])
    torch.testing.assert_close(output, part.inputs[0][0] @ layer.weight.T, rtol=1e-3, atol=0)


@pytest.mark.parametrize("fill", [0, 1e-44, 1e-38, 1e-30])
def test_dead_outputs_survive_int8(fill, tmp_path):
    layer = nn.Linear(256, 256).eval()
    nn.init.constant_(layer.weight[:5].data, fill)
    tensor = TensorSpec("x", (1, 256), range="real", meaning="")
    spec = ModuleSpec("dead", "", (tensor,), (dataclasses.replace(tensor, name="y"),))
    module = nn.Sequential(layer)
    part = Part(module, module, spec, [(torch.ones(1, 256),)])
    (output,) = run(export(part, tmp_path / "m.ptl", "int8").path, part.inputs[0])
    torch.testing.assert_close(output[:, :5], layer.bias[None, :5], rtol=0, atol=1e-6)


def test_an_unwritable_path_is_refused(parts, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        export(parts["encoder"], tmp_path / "no folder" / "m.ptl")
