"""What is known of the Neural Engine's limits, rule by rule, each with its source."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from validation.mil_runtime.program_structure import Reference
from validation.mil_runtime.value_types import FP32, FP64, INT32, INT64, UINT32, TensorType
from validation.static_cost.mil_operation import TypedOperation, sizes

LEAVES = "may leave the Neural Engine"
SLOW = "may be slow on the Neural Engine"

_APPLE = "https://machinelearning.apple.com/research/neural-engine-transformers"
_COREMLTOOLS = "https://apple.github.io/coremltools/docs-guides/source/"
_ISSUES = "https://github.com/apple/coremltools/issues/"
_HOLLANCE = "https://github.com/hollance/neural-engine/blob/master/docs/unsupported-layers.md"
_GUIDE = "https://ane-guide.readthedocs.io/en/latest/"
_CAPABILITIES = f"{_GUIDE}part-1-machine/04-capability-surface.html"
_LIMITS = f"{_GUIDE}part-5-practice/17-model-design-rules.html"
_BY_CHIP = f"{_GUIDE}appendices/a-op-device-matrix.html"

MAX_RANK = 5
MAX_SPATIAL = 16384  # elements of width or height
MAX_CHANNELS = 65536
MAX_KERNEL_WIDTH = 13
MAX_ARGMAX_AXIS = 2048
AXIS_ALIGNMENT = 64  # bytes to which the last axis is padded
_NATIVE_RANK = 4
_FLOAT16_BYTES = 2

_GATHERS = ("gather", "gather_along_axis", "gather_nd")
_NO_PATH = ("scatter", "scatter_along_axis", "scatter_nd", "reduce_prod")
_SINCE_A14 = ("crop_resize", "resample", "affine", "topk", "argsort")
_SINCE_A15 = ("sin", "cos", "random_normal", "random_uniform", "random_bernoulli")
_CONVOLUTIONS = ("conv", "conv_transpose")
_CHANNELS_FIRST = ("linear", "matmul", "layer_norm", "softmax")


@dataclass(frozen=True)
class Rule:
    """Something known of the engine.

    Attributes:
        name: for tables and JSON.
        effect: LEAVES or SLOW.
        reason: what is known, in a clause.
        source: where it was read.
        speaks_of: whether it is about an operation.
        is_about_inputs: it is about inputs of no fixed shape, and with them about all operations.
    """

    name: str
    effect: str
    reason: str
    source: str
    speaks_of: Callable[[TypedOperation], bool]
    is_about_inputs: bool = False


def _is_one_of(*kinds: str) -> Callable[[TypedOperation], bool]:
    return lambda operation: operation.kind in kinds


def _gives(*dtypes: object) -> Callable[[TypedOperation], bool]:
    return lambda operation: any(output.dtype in dtypes for output in operation.outputs)


def _computes_float32(operation: TypedOperation) -> bool:
    return operation.kind != "cast" and _gives(FP32, FP64)(operation)


def _exceeds_axes(operation: TypedOperation) -> bool:
    return any(
        any(size > MAX_SPATIAL for size in shape[-2:])
        or any(c > MAX_CHANNELS for c in shape[-3:-2])
        for shape in _shapes(operation)
    )


def _shapes(operation: TypedOperation) -> Iterable[tuple[int, ...]]:
    return map(sizes, operation.outputs)


def _is_dilated(operation: TypedOperation) -> bool:
    dilations = operation.constant("dilations")
    return operation.kind in _CONVOLUTIONS and isinstance(dilations, Tensor) and dilations.max() > 1


def _has_wide_kernel(operation: TypedOperation) -> bool:
    kernel = operation.shape("weight")[2:]
    return operation.kind in _CONVOLUTIONS and any(size > MAX_KERNEL_WIDTH for size in kernel)


def _has_computed_kernel(operation: TypedOperation) -> bool:
    if operation.kind not in _CONVOLUTIONS:
        return False
    (weight,) = operation.operation.arguments["weight"]
    return isinstance(weight, Reference) and weight.name in operation.computed


def _convolves_volumes(operation: TypedOperation) -> bool:
    return operation.kind in _CONVOLUTIONS and len(operation.shape("weight")) == 5


def _searches_long_axis(operation: TypedOperation) -> bool:
    if operation.kind not in ("reduce_argmax", "reduce_argmin"):
        return False
    axis = operation.constant("axis")
    return operation.shape("x")[-1 if axis is None else int(axis)] > MAX_ARGMAX_AXIS


def _has_other_layout(operation: TypedOperation) -> bool:
    return operation.kind in (*_CHANNELS_FIRST, *_CONVOLUTIONS) and any(
        len(shape) != _NATIVE_RANK for shape in _shapes(operation)
    )


def _has_short_last_axis(operation: TypedOperation) -> bool:
    return any(
        len(shape) > 1 and shape[-1] * _FLOAT16_BYTES <= AXIS_ALIGNMENT // 2
        for shape in _shapes(operation)
    )


def _exceeds_rank(operation: TypedOperation) -> bool:
    return any(
        isinstance(output, TensorType) and len(output.shape or ()) > MAX_RANK
        for output in operation.outputs
    )


RULES = (
    Rule(
        "float32",
        LEAVES,
        "float32 is computed by the GPU and the CPU",
        f"{_COREMLTOOLS}typed-execution-example.html",
        _computes_float32,
    ),
    Rule(
        "integers",
        LEAVES,
        "the engine has no 32-bit integers",
        _LIMITS,
        _gives(INT32, INT64, UINT32),
    ),
    Rule(
        "flexible shapes",
        LEAVES,
        "of inputs with a range of shapes, only the default shape runs on the engine",
        "https://developer.apple.com/forums/thread/724930",
        lambda _operation: False,
        is_about_inputs=True,
    ),
    Rule(
        "rank",
        LEAVES,
        f"Core ML has tensors of at most {MAX_RANK} axes",
        f"{_ISSUES}2536",
        _exceeds_rank,
    ),
    Rule(
        "axis size",
        LEAVES,
        f"at most {MAX_SPATIAL} wide or high, and {MAX_CHANNELS} channels",
        _LIMITS,
        _exceeds_axes,
    ),
    Rule(
        "recurrent",
        LEAVES,
        "no recurrent layers",
        f"{_ISSUES}1780",
        _is_one_of("lstm", "gru", "rnn"),
    ),
    Rule(
        "gather",
        LEAVES,
        "gathers were seen to run on the CPU",
        f"{_ISSUES}1103",
        _is_one_of(*_GATHERS),
    ),
    Rule(
        "no hardware path",
        LEAVES,
        "no chip's engine has scatters or products over an axis",
        _CAPABILITIES,
        _is_one_of(*_NO_PATH),
    ),
    Rule(
        "custom layer",
        LEAVES,
        "an app can bring code for the CPU and the GPU only",
        f"{_ISSUES}1278",
        _is_one_of("custom_layer"),
    ),
    Rule(
        "dilated convolution",
        LEAVES,
        "was found not to run on the engine; newer chips are said to have it",
        _HOLLANCE,
        _is_dilated,
    ),
    Rule(
        "large kernel",
        LEAVES,
        f"kernels are at most {MAX_KERNEL_WIDTH} wide",
        _LIMITS,
        _has_wide_kernel,
    ),
    Rule(
        "computed kernel",
        LEAVES,
        "convolutions take their kernels from constants only",
        "https://github.com/skyfallsin/apple-neural-engine-field-guide",
        _has_computed_kernel,
    ),
    Rule(
        "convolution of volumes",
        LEAVES,
        "three-dimensional convolutions compile for no chip's engine",
        _CAPABILITIES,
        _convolves_volumes,
    ),
    Rule(
        "argmax over a long axis",
        LEAVES,
        f"at most {MAX_ARGMAX_AXIS} elements are searched",
        _LIMITS,
        _searches_long_axis,
    ),
    Rule(
        "since A14",
        LEAVES,
        "not on the engine of chips before the A14",
        _BY_CHIP,
        _is_one_of(*_SINCE_A14),
    ),
    Rule(
        "since A15",
        LEAVES,
        "not on the engine of chips before the A15",
        _CAPABILITIES,
        _is_one_of(*_SINCE_A15),
    ),
    Rule(
        "layout",
        SLOW,
        "the engine's own layout has four axes, channels second: others are rearranged",
        _APPLE,
        _has_other_layout,
    ),
    Rule(
        "short last axis",
        SLOW,
        f"the last axis is padded to {AXIS_ALIGNMENT} bytes, here to twice its size or more",
        _APPLE,
        _has_short_last_axis,
    ),
    Rule("transpose", SLOW, "transposes copy memory", _APPLE, _is_one_of("transpose")),
)
