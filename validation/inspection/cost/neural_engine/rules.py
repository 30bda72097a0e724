"""The known limits of the Neural Engine, one rule each, with its source."""

from dataclasses import dataclass

from validation.inspection.cost.neural_engine.traits import (
    AXIS_ALIGNMENT,
    MAX_ARGMAX_AXIS,
    MAX_CHANNELS,
    MAX_KERNEL_WIDTH,
    MAX_RANK,
    MAX_SPATIAL,
    Trait,
    computes_float32,
    convolves_volumes,
    exceeds_axes,
    exceeds_rank,
    gives,
    has_computed_kernel,
    has_other_layout,
    has_short_last_axis,
    has_wide_kernel,
    is_dilated,
    is_one_of,
    searches_long_axis,
)
from validation.mil_runtime.model.value_types import INT32, INT64, UINT32

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

_GATHERS = ("gather", "gather_along_axis", "gather_nd")
_NO_PATH = ("scatter", "scatter_along_axis", "scatter_nd", "reduce_prod")
_SINCE_A14 = ("crop_resize", "resample", "affine", "topk", "argsort")
_SINCE_A15 = ("sin", "cos", "random_normal", "random_uniform", "random_bernoulli")


@dataclass(frozen=True)
class Rule:
    """One known limit of the engine.

    Attributes:
        name: name for tables and JSON.
        effect: LEAVES or SLOW.
        reason: the limit, in words.
        source: address of the page that reports it.
        applies_to: tells whether the rule applies to an operation.
        is_about_inputs: whether the rule is about inputs without a fixed shape, and so about all operations.
    """

    name: str
    effect: str
    reason: str
    source: str
    applies_to: Trait
    is_about_inputs: bool = False


RULES = (
    Rule(
        "float32",
        LEAVES,
        "float32 is computed by the GPU and the CPU",
        f"{_COREMLTOOLS}typed-execution-example.html",
        computes_float32,
    ),
    Rule(
        "integers",
        LEAVES,
        "the engine has no 32-bit integers",
        _LIMITS,
        gives(INT32, INT64, UINT32),
    ),
    Rule(
        "flexible shapes",
        LEAVES,
        "if an input has a range of shapes, only its default shape runs on the engine",
        "https://developer.apple.com/forums/thread/724930",
        lambda _operation: False,
        is_about_inputs=True,
    ),
    Rule(
        "rank",
        LEAVES,
        f"Core ML has tensors of at most {MAX_RANK} axes",
        f"{_ISSUES}2536",
        exceeds_rank,
    ),
    Rule(
        "axis size",
        LEAVES,
        f"the engine's tensors are at most {MAX_SPATIAL} wide or high, with {MAX_CHANNELS} channels",
        _LIMITS,
        exceeds_axes,
    ),
    Rule(
        "recurrent",
        LEAVES,
        "the engine has no recurrent layers",
        f"{_ISSUES}1780",
        is_one_of("lstm", "gru", "rnn"),
    ),
    Rule(
        "gather",
        LEAVES,
        "gathers were seen to run on the CPU",
        f"{_ISSUES}1103",
        is_one_of(*_GATHERS),
    ),
    Rule(
        "no hardware path",
        LEAVES,
        "the engine of no chip has scatters or products over an axis",
        _CAPABILITIES,
        is_one_of(*_NO_PATH),
    ),
    Rule(
        "custom layer",
        LEAVES,
        "an app can bring code for the CPU and the GPU only",
        f"{_ISSUES}1278",
        is_one_of("custom_layer"),
    ),
    Rule(
        "dilated convolution",
        LEAVES,
        "dilated convolutions did not run on the engine; newer chips are said to have them",
        _HOLLANCE,
        is_dilated,
    ),
    Rule(
        "large kernel",
        LEAVES,
        f"kernels on the engine are at most {MAX_KERNEL_WIDTH} wide",
        _LIMITS,
        has_wide_kernel,
    ),
    Rule(
        "computed kernel",
        LEAVES,
        "convolutions on the engine take their kernels from constants only",
        "https://github.com/skyfallsin/apple-neural-engine-field-guide",
        has_computed_kernel,
    ),
    Rule(
        "convolution of volumes",
        LEAVES,
        "three-dimensional convolutions compile for the engine of no chip",
        _CAPABILITIES,
        convolves_volumes,
    ),
    Rule(
        "argmax over a long axis",
        LEAVES,
        f"the engine searches at most {MAX_ARGMAX_AXIS} elements",
        _LIMITS,
        searches_long_axis,
    ),
    Rule(
        "since A14",
        LEAVES,
        "the engine of chips before the A14 lacks it",
        _BY_CHIP,
        is_one_of(*_SINCE_A14),
    ),
    Rule(
        "since A15",
        LEAVES,
        "the engine of chips before the A15 lacks it",
        _CAPABILITIES,
        is_one_of(*_SINCE_A15),
    ),
    Rule(
        "layout",
        SLOW,
        "the engine's own layout has four axes, channels second; other layouts are rearranged",
        _APPLE,
        has_other_layout,
    ),
    Rule(
        "short last axis",
        SLOW,
        f"the last axis is padded to {AXIS_ALIGNMENT} bytes, here to twice its size or more",
        _APPLE,
        has_short_last_axis,
    ),
    Rule("transpose", SLOW, "transposes copy memory", _APPLE, is_one_of("transpose")),
)
