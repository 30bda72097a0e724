"""Which operators a phone's TorchScript Lite runtime has, and whether a .ptl asks for others.

A runtime *has* an operator if it finds it by name and overload, and owns a kernel for it that takes
CPU or quantized CPU tensors. That is what lets a file load on a phone. It does not promise that
every call succeeds: an argument may be newer than the runtime (``enable_gqa`` of
``scaled_dot_product_attention``) or a dtype unsupported (2.1.0 multiplies no float16 matrices on
the CPU). Running the file in the runtime's own version of torch shows those.

The list of ``org.pytorch:pytorch_android_lite:2.1.0`` is worked out from the torch 2.1.0 wheel and
the Android build's rules, not read from the .aar: ``tools/list_runtime_operators.py`` says how.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import torch
from torch.jit.mobile import _export_operator_list, _load_for_lite_interpreter

from reference.common.errors import ConversionError
from reference.common.torch_errors import first_line


@dataclass(frozen=True)
class MobileRuntime:
    """A published lite interpreter.

    ``operators`` are qualified names with their overload, as ``aten::add.Tensor``; the default
    overload has no suffix, as ``aten::conv2d``. Bytecode versions are inclusive.
    """

    name: str
    operators: frozenset[str]
    min_bytecode: int
    max_bytecode: int


@cache
def android_lite_2_1_0() -> MobileRuntime:
    """The last runtime published for Android, ``org.pytorch:pytorch_android_lite:2.1.0``."""
    name = "pytorch_android_lite-2.1.0"
    listing = resources.files("converters.torchscript") / "data" / f"{name}.operators.txt"
    lines = listing.read_text(encoding="utf-8").splitlines()
    return MobileRuntime(
        name=name,
        operators=frozenset(line for line in lines if not line.startswith("#")),
        min_bytecode=4,  # kMinSupportedBytecodeVersion and kMaxSupportedBytecodeVersion
        max_bytecode=9,  # in torch 2.1.0's caffe2/serialize/versions.h
    )


def ptl_operators(path: str | Path) -> tuple[str, ...]:
    """The operators that any method of a .ptl calls directly, with overloads, sorted.

    The file is loaded by this torch's own lite interpreter; its ``forward`` is not run.
    Raises ConversionError if there is no such file or it is not one that this torch can load.
    """
    path = Path(path)
    if not path.is_file():
        raise ConversionError(f"{path}: no such file; expected a TorchScript Lite file (.ptl)")
    try:
        module = _load_for_lite_interpreter(path)
    except RuntimeError as error:
        raise ConversionError(
            f"{path}: torch {torch.__version__} cannot load this ({first_line(error)}); "
            "expected a TorchScript Lite file, as `convert torchscript` writes"
        ) from error
    return tuple(sorted(_export_operator_list(module)))


def missing_operators(path: str | Path, runtime: MobileRuntime) -> tuple[str, ...]:
    """The operators of a .ptl that ``runtime`` does not have, sorted; empty if it has them all.

    Raises ConversionError as ``ptl_operators`` does.
    """
    return tuple(name for name in ptl_operators(path) if name not in runtime.operators)
