r"""Print the operators of the Android runtime org.pytorch:pytorch_android_lite:2.1.0.

The list is derived from the torch 2.1.0 wheel, which is built from the same sources. The .aar itself is not read. The
wheel registers more operators than the .aar, and three rules remove the rest:

1. Dispatcher operators stay if the lite build (``BUILD_LITE_INTERPRETER``) compiles the file that
   declares them: these are the namespaces in ``LITE_NAMESPACES``.
2. Of those, operators stay if they have a kernel for CPU or quantized CPU tensors, because Android is built for no
other
   backend. ``UNUSABLE_KERNELS`` lack their library on Android and would always raise an error.
3. Operators that only the TorchScript interpreter knows (``prim::``, list and string functions) stay unless only the
   full interpreter registers them: ``FULL_INTERPRETER_ONLY``.

Regenerate the data file (Python 3.10 or 3.11, about 5 GB of disk):

    python3.11 -m venv /tmp/torch210 && /tmp/torch210/bin/pip install torch==2.1.0 "numpy<2"
    /tmp/torch210/bin/python converters/torchscript/tools/list_runtime_operators.py \
        > converters/torchscript/data/pytorch_android_lite-2.1.0.operators.txt

Sources: PyTorch's build_variables.bzl (libtorch_lite_cmake_sources and
aten_native_source_non_codegen_list) and cmake/Codegen.cmake (--backend_whitelist CPU QuantizedCPU).
The names in rule 3 are those that the static initializers in libtorch_cpu.so of the 2.1.0 wheel register outside
register_prim_ops.cpp, register_special_ops.cpp and promoted_prim_ops.cpp.
"""

import argparse
from fnmatch import fnmatchcase

import torch

RUNTIME = "org.pytorch:pytorch_android_lite:2.1.0"
TORCH_VERSION = "2.1.0"

LITE_NAMESPACES = frozenset({"aten", "quantized", "_quantized", "prepacked", "sparse", "profiler"})

CPU_KERNELS = (
    "CPU",
    "QuantizedCPU",
    "CompositeImplicitAutograd",
    "CompositeExplicitAutograd",
    "CompositeExplicitAutogradNonFunctional",
)

UNUSABLE_KERNELS = (
    "aten::*mkldnn*",  # oneDNN is off on Arm
    "aten::fbgemm_*",  # FBGEMM is x86 only; Android quantizes with QNNPACK
    "quantized::*fp16*",
    "_quantized::*fp16*",
)

FULL_INTERPRETER_ONLY = (
    # register_prim_ops_fulljit.cpp
    "aten::__interpolate*",
    "aten::__upsample*",
    "aten::_grad_sum_to_size",
    "aten::backward.TensorList",
    "aten::grad",
    "aten::save",
    "aten::sort.any",
    "aten::sorted.any",
    "aten::wait",
    "prim::AddStatValue",
    "prim::BailOut",
    "prim::BailoutTemplate",
    "prim::ChunkSizes",
    "prim::ConstantChunk",
    "prim::FallbackGraph",
    "prim::FusionGroup",
    "prim::Guard",
    "prim::IgnoredPythonOp",
    "prim::ModuleContainerIndex.dict",
    "prim::RequiresGradCheck",
    "prim::TimePoint",
    "prim::TypeCheck",
    "prim::awaitable_*",
    "prim::profile*",
    # graph passes, fusers, the graph executor and the static runtime
    "aten::_ncf_*",
    "prim::*MKLDNN*",
    "prim::Cuda*",
    "prim::DifferentiableGraph",
    "prim::FusedConcat",
    "prim::MMBatchSide",
    "prim::MMTreeReduce",
    "prim::Static*",
    "prim::TensorExpr*",
    "prim::*_copy*",
    "prim::add_optional",
    "prim::infer_*squeeze_size*",
    "prim::mkldnn_convolution",
    "prim::oneDNN*",
    # Python, CUDA, remote calls, the profiler's futures
    "aten::confirmed_by_owner",
    "aten::dist_backward",
    "aten::is_owner",
    "aten::local_value",
    "aten::owner*",
    "aten::to_here",
    "cuda::*",
    "prim::PythonOp",
    "prim::rpc_*",
    "profiler::_call_end_callbacks_on_jit_fut*",
)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def has_cpu_kernel(name: str) -> bool:
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    return any(has_kernel(name, key) for key in CPU_KERNELS)


def qualified_name(schema: torch._C.FunctionSchema) -> str:
    """Return a name such as ``aten::add.Tensor``. Without an overload it has no dot."""
    return f"{schema.name}.{schema.overload_name}".rstrip(".")


def lite_operators() -> set[str]:
    """Return the operators that a 2.1.0 lite runtime finds by name and can run on a CPU."""
    dispatcher = set(torch._C._dispatch_get_all_op_names())
    schemas = {qualified_name(schema) for schema in torch._C._jit_get_all_schemas()}
    kept = {name for name in dispatcher if name.split("::")[0] in LITE_NAMESPACES}
    kept = {name for name in kept if has_cpu_kernel(name) and not matches(name, UNUSABLE_KERNELS)}
    interpreter = schemas - dispatcher
    return kept | {name for name in interpreter if not matches(name, FULL_INTERPRETER_ONLY)}


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    if torch.__version__.split("+")[0] != TORCH_VERSION:
        raise SystemExit(
            f"torch {torch.__version__}: the list comes from torch {TORCH_VERSION} only; "
            "run this script with that version (its docstring says how)"
        )
    print(f"# Operators of {RUNTIME}, name.overload, sorted.")
    print(f"# Worked out from the torch {TORCH_VERSION} wheel (git {torch.version.git_version}),")
    print(f"# not read from the .aar. Made, with torch {TORCH_VERSION} installed, by")
    print("# python converters/torchscript/tools/list_runtime_operators.py (which says how)")
    print("\n".join(sorted(lite_operators())))


if __name__ == "__main__":
    main()
