"""Export modules as TorchScript Lite: ``.ptl`` files for the lite interpreter of Android apps.

A file is written whole and checked, or not at all: it loads in the real lite interpreter, has the
bytecode version that was asked for, calls only operators that the phone's runtime has, and gives
the numbers of the module that it was made from.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit.mobile import (
    LiteScriptModule,
    _backport_for_mobile_to_buffer,
    _get_model_bytecode_version,
    _load_for_lite_interpreter,
)

from converters.io_spec import ModuleSpec
from converters.torchscript.archive import reproducible_archive
from converters.torchscript.bundled_inputs import bundle_inputs
from converters.torchscript.phone_engine import phone_engine
from converters.torchscript.quantization import SCHEMES, quantize
from converters.torchscript.runtime_operators import (
    android_lite_2_1_0,
    missing_operators,
    ptl_operators,
)
from reference.common.errors import ConversionError
from reference.common.output_files import replacing

BYTECODE_VERSIONS = range(5, 9)
_NATIVE_BYTECODE = 8  # what torch 2.7 writes; lower versions are written by torch's own backport

# Largest difference between the file's and the module's outputs, as a share of the largest output.
# They run the same kernels on the same numbers: 0 was measured for every scheme and version.
LITE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class TorchScriptOptions:
    """How to write a .ptl.

    Attributes:
        scheme: one of SCHEMES. ``none`` is float32, ``fp16`` stores weights as half and computes
            in float32, ``int8`` runs int8 kernels.
        bytecode_version: one of BYTECODE_VERSIONS. With 7 numbers, sizes and speed are those of 8
            (measured: identical outputs, ±2 kB, 0.80 and 0.78 s), and apps whose runtime refuses 8
            ("version must be between 3 and 7") accept it.

    Raises:
        ConversionError: another scheme or version.
    """

    scheme: str = "none"
    bytecode_version: int = 7

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ConversionError(
                f"unknown scheme '{self.scheme}' for TorchScript: expected one of "
                f"{', '.join(SCHEMES)}"
            )
        if self.bytecode_version not in BYTECODE_VERSIONS:
            raise ConversionError(
                f"bytecode version {self.bytecode_version} cannot be written: expected "
                f"{BYTECODE_VERSIONS.start} to {BYTECODE_VERSIONS.stop - 1}"
            )


@dataclass(frozen=True)
class LiteFile:
    """A written and checked .ptl: where it is, and what it asks of a runtime."""

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
) -> LiteFile:
    """Write ``module`` to ``path`` as a .ptl, and check what was written.

    Args:
        module: an export module in eval mode; it is not modified.
        spec: its inputs and outputs.
        options: scheme and bytecode version.
        path: replaced if it exists, but only by a file that passed all checks.
        inputs: one or more real inputs, each in the order and shapes of ``spec``. The first is
            traced and checked with; all are bundled, in a compact form (``bundle_inputs``).
        extra_files: name → text, stored in the .ptl, where runtimes can read them.

    Raises:
        ConversionError: inputs that do not fit ``spec``, weights that do not fit the scheme, or a
            file that fails a check; ``path`` is then as it was before.
        OutputError: ``path`` cannot be written.
    """
    _check_inputs(spec, inputs)
    path = Path(path)
    with phone_engine(), torch.no_grad():
        prepared = quantize(module, options.scheme)
        expected = _as_tuple(prepared(*inputs[0]))
        data = _lite_archive(prepared, inputs, options.bytecode_version)
        with replacing(path) as partial:
            partial.write_bytes(reproducible_archive(data, extra_files))
            operators = _check_file(partial, spec, options, inputs[0], expected)
    return LiteFile(path, operators, options.bytecode_version)


def _check_inputs(spec: ModuleSpec, inputs: Sequence[tuple[Tensor, ...]]) -> None:
    """Refuse inputs that are not what ``spec`` says."""
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
) -> bytes:
    """Trace, bundle the inputs, and serialize for the lite interpreter."""
    with _fresh_class_names(), warnings.catch_warnings():
        # About Python numbers that become constants. They are sizes, which are fixed.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", "TypedStorage is deprecated")  # torch's own use of it
        traced = torch.jit.trace(module, inputs[0], check_trace=False)
        bundle_inputs(traced, inputs)
        data = traced._save_to_buffer_for_lite_interpreter()
    if bytecode_version == _NATIVE_BYTECODE:
        return data
    return _backport_for_mobile_to_buffer(io.BytesIO(data), bytecode_version)


@contextlib.contextmanager
def _fresh_class_names() -> Iterator[None]:
    """Name the classes of a trace as if it were this process's first.

    torch numbers them (``___torch_mangle_17``) by what else a process has traced, and the numbers
    are in the file: without this, no two files of a process would be the same.
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
    """Check a file in the lite interpreter; returns the operators that it calls."""
    operators = ptl_operators(path)  # raises if the file cannot be loaded
    version = _get_model_bytecode_version(path)
    if version != options.bytecode_version:
        raise ConversionError(
            f"{spec.name} was written with bytecode {version}, not {options.bytecode_version}: "
            f"torch {torch.__version__} cannot write the version asked for"
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
    """Hold the file's outputs to the module's, and both to ``spec``."""
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
                f"the module's, whose largest value is {largest:.2g}: expected at most "
                f"{LITE_TOLERANCE:.0e} of that"
            )


def _check_bundled_inputs(spec: ModuleSpec, lite: LiteScriptModule) -> None:
    """The bundled inputs inflate to what ``spec`` says."""
    for example in lite.run_method("get_all_bundled_inputs"):
        _check_inputs(spec, [example])


def _as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
