"""The operators of the TorchScript Lite runtime on phones, and those that a .ptl file needs.

A runtime *has* an operator if it finds it by name and overload, and has a kernel for CPU or quantized CPU tensors. A
file loads on a phone if the runtime has all its operators. Not every call then succeeds: an argument may be newer than
the runtime (``enable_gqa`` of ``scaled_dot_product_attention``), or a dtype may be unsupported (2.1.0 multiplies no
float16 matrices on the CPU). Running the file in the runtime's own version of torch shows such failures.

The operator list of ``org.pytorch:pytorch_android_lite:2.1.0`` is derived from the torch 2.1.0 wheel and the rules of
the Android build. It is not read from the .aar. ``tools/list_runtime_operators.py`` says how.
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

    ``operators`` are qualified names with their overload, such as ``aten::add.Tensor``. The default overload has no
    suffix, as in ``aten::conv2d``. Both bytecode versions are inclusive.
    """

    name: str
    operators: frozenset[str]
    min_bytecode: int
    max_bytecode: int


@cache
def android_lite_2_1_0() -> MobileRuntime:
    """Return the last runtime published for Android, ``org.pytorch:pytorch_android_lite:2.1.0``."""
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
    """Return the operators that the methods of a .ptl file call directly, with overloads, sorted.

    The lite interpreter of the installed torch loads the file. ``forward`` is not run.

    Raises:
        ConversionError: the file does not exist, or the installed torch cannot load it.
    """
    path = Path(path)
    if not path.is_file():
        raise ConversionError(f"{path}: no such file; expected a TorchScript Lite file (.ptl)")
    try:
        module = _load_for_lite_interpreter(path)
    except RuntimeError as error:
        raise ConversionError(
            f"{path}: torch {torch.__version__} cannot load this file ({first_line(error)}); "
            "expected a TorchScript Lite file from `convert torchscript`"
        ) from error
    return tuple(sorted(_export_operator_list(module)))


def missing_operators(path: str | Path, runtime: MobileRuntime) -> tuple[str, ...]:
    """Return the operators of a .ptl file that ``runtime`` does not have, sorted.

    Raises:
        ConversionError: the file does not exist, or the installed torch cannot load it.
    """
    return tuple(name for name in ptl_operators(path) if name not in runtime.operators)
