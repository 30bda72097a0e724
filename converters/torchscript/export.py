"""Exporting modules as TorchScript Lite: ``.ptl`` files for the lite interpreter of Android apps.

A file is written only if it passes all checks. It must load in the real lite interpreter and have the requested
bytecode version. It must call only operators that the runtime on the phone has, and compute the numbers of the original
module.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning
from torch.jit.mobile import (
    LiteScriptModule,
    _backport_for_mobile_to_buffer,
    _get_model_bytecode_version,
    _load_for_lite_interpreter,
)

from converters.calibration import ComponentCalibration
from converters.io_spec import ModuleSpec
from converters.quantization.weight_formats import WeightFormat
from converters.torchscript.archive import reproducible_archive
from converters.torchscript.bundled_inputs import bundle_inputs
from converters.torchscript.options import TorchScriptOptions
from converters.torchscript.quantization import quantize
from converters.torchscript.runtime_operators import (
    android_lite_2_1_0,
    missing_operators,
    ptl_operators,
)
from reference.common.errors import ConversionError
from reference.common.output_files import replacing

_NATIVE_BYTECODE = 8  # torch 2.7 writes this version, and converts it to lower ones

# Largest difference between the outputs of the file and the module, relative to the largest output. Both run the same
# kernels on the same numbers, and a difference of 0 was measured for every scheme and version.
LITE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class LiteFile:
    """A .ptl file that was written and checked: its path, and what it needs from a runtime."""

    path: Path
    operators: tuple[str, ...]
    bytecode_version: int


def export_torchscript(
    module: nn.Module,
    spec: ModuleSpec,
    options: TorchScriptOptions,
    path: Path,
    inputs: Sequence[tuple[Tensor, ...]],
    extra_files: Mapping[str, str],
    formats: Mapping[str, WeightFormat],
    calibration: ComponentCalibration,
) -> LiteFile:
    """Write ``module`` to ``path`` as a .ptl file, and check the file.

    Args:
        module: an export module in eval mode. It is not modified.
        spec: the inputs and outputs of the module.
        options: the scheme and the bytecode version.
        path: the file to write. An existing file is replaced only by one that passed all checks.
        inputs: one or more real inputs, each in the order and shapes of ``spec``. The first one is used for tracing and
            checking. All of them are bundled in a compact form (``bundle_inputs``).
        extra_files: name → text. The texts are stored in the .ptl file, where runtimes can read them.
        formats: path of a layer → how its weight is stored. The others are floats.
        calibration: what the layers read, for the rounding of weights.

    Raises:
        ConversionError: the inputs do not fit ``spec``, the weights do not fit the scheme, or the file fails a check.
            ``path`` is then unchanged.
        OutputError: ``path`` cannot be written.
    """
    _check_inputs(spec, inputs)
    path = Path(path)
    with torch.no_grad():
        prepared = quantize(module, options.scheme, formats, calibration)
        data, expected = _lite_archive(prepared, inputs, options.bytecode_version)
        with replacing(path) as partial:
            partial.write_bytes(reproducible_archive(data, extra_files))
            operators = _check_file(partial, spec, options, inputs[0], expected)
    return LiteFile(path, operators, options.bytecode_version)


def _check_inputs(spec: ModuleSpec, inputs: Sequence[tuple[Tensor, ...]]) -> None:
    """Refuse inputs that do not match ``spec``."""
    if not inputs:
        raise ConversionError(f"no input for {spec.name}: expected at least one, to trace it with")
    expected = [(tensor.name, tensor.shape, tensor.dtype) for tensor in spec.inputs]
    for example in inputs:
        if len(example) != len(expected):
            raise ConversionError(
                f"{len(example)} input tensors for {spec.name}: expected {len(expected)} "
                f"({', '.join(name for name, _, _ in expected)})"
            )
        for tensor, (name, shape, dtype) in zip(example, expected, strict=True):
            given = (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            if given != (shape, dtype):
                raise ConversionError(
                    f"input {name} of {spec.name} is {given[1]} {given[0]}: expected "
                    f"{dtype} {shape}"
                )


def _lite_archive(
    module: nn.Module, inputs: Sequence[tuple[Tensor, ...]], bytecode_version: int
) -> tuple[bytes, tuple[Tensor, ...]]:
    """Trace, bundle the inputs, and serialize for the lite interpreter.

    Returns:
        The archive, and the outputs of the module for the first inputs. Tracing runs the module, so its outputs cost
        nothing.
    """
    outputs: list[Tensor | tuple[Tensor, ...]] = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with _fresh_class_names(), warnings.catch_warnings():
        # The tracer warns that Python numbers become constants. They are sizes, which are fixed.
        warnings.simplefilter("ignore", TracerWarning)
        warnings.filterwarnings("ignore", "TypedStorage is deprecated")  # torch itself uses it
        traced = torch.jit.trace(module, inputs[0], check_trace=False)
        hook.remove()
        bundle_inputs(traced, inputs)
        data = traced._save_to_buffer_for_lite_interpreter()
    if bytecode_version != _NATIVE_BYTECODE:
        data = _backport_for_mobile_to_buffer(io.BytesIO(data), bytecode_version)
    return data, _as_tuple(outputs[-1])


@contextlib.contextmanager
def _fresh_class_names() -> Iterator[None]:
    """Name the classes of a trace as if it were the first trace of this process.

    torch numbers the classes (``___torch_mangle_17``) over all traces of a process, and writes the numbers to the file.
    Without this, two files of one process would never be equal.
    """
    before = torch.jit._state._python_cu
    torch.jit._state._python_cu = torch._C.CompilationUnit()
    try:
        yield
    finally:
        torch.jit._state._python_cu = before


def _check_file(
    path: Path,
    spec: ModuleSpec,
    options: TorchScriptOptions,
    example: tuple[Tensor, ...],
    expected: tuple[Tensor, ...],
) -> tuple[str, ...]:
    """Check a file in the lite interpreter, and return the operators that it calls."""
    operators = ptl_operators(path)  # raises an error if the file cannot be loaded
    version = _get_model_bytecode_version(path)
    if version != options.bytecode_version:
        raise ConversionError(
            f"{spec.name} was written with bytecode {version}, not {options.bytecode_version}: "
            f"torch {torch.__version__} cannot write the requested version; choose another bytecode version"
        )
    runtime = android_lite_2_1_0()
    if missing := missing_operators(path, runtime):
        raise ConversionError(
            f"{spec.name} needs operators that {runtime.name} does not have: {', '.join(missing)}"
        )
    lite = _load_for_lite_interpreter(path)
    _check_outputs(spec, _as_tuple(lite(*example)), expected)
    _check_bundled_inputs(spec, lite)
    return operators


def _check_outputs(
    spec: ModuleSpec, outputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]
) -> None:
    """Compare the outputs of the file with those of the module, and both with ``spec``."""
    for tensor, output, wanted in zip(spec.outputs, outputs, expected, strict=True):
        if tuple(output.shape) != tensor.shape:
            raise ConversionError(
                f"output {tensor.name} of {spec.name} is {tuple(output.shape)}: expected "
                f"{tensor.shape}"
            )
        difference = (output - wanted).abs().max().item()
        largest = wanted.abs().max().item()
        if not difference <= LITE_TOLERANCE * largest:  # also if either is NaN
            raise ConversionError(
                f"output {tensor.name} of the written {spec.name} differs by {difference:.2g} from "
                f"that of the module, whose largest value is {largest:.2g}: expected at most "
                f"{LITE_TOLERANCE:.0e} of that value"
            )


def _check_bundled_inputs(spec: ModuleSpec, lite: LiteScriptModule) -> None:
    """Check that the bundled inputs inflate to tensors that match ``spec``."""
    for example in lite.run_method("get_all_bundled_inputs"):
        _check_inputs(spec, [example])


def _as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
