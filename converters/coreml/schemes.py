"""The quantization schemes of Core ML: how a package stores its weights and computes. It imports nothing heavy."""

from dataclasses import dataclass

# Weights with more elements than this are compressed. All others together are under 1 % of the file.
LARGE_WEIGHT = 4096
WEIGHTED_OPS = ("conv", "conv_transpose", "linear")
INT4_BLOCK = 32  # consecutive inputs of one output channel that share a scale


@dataclass(frozen=True)
class LinearWeights:
    """Weights that are stored as integers and scales.

    Attributes:
        dtype: ``"int8"`` or ``"int4"``.
        granularity: which weights share a scale: ``"per_channel"``, or ``"per_block"`` of ``INT4_BLOCK`` inputs.
    """

    dtype: str
    granularity: str


@dataclass(frozen=True)
class Palette:
    """Weights that are stored as indexes into a table of 2**bits values per tensor."""

    bits: int


@dataclass(frozen=True)
class Scheme:
    """One quantization scheme.

    Attributes:
        name: the name of the scheme.
        meaning: one line that says how weights are stored. It is part of the metadata of a package.
        minimum_target: the lowest deployment target that has the operations of the scheme.
        compression: how large weights are compressed, or None.
        computes_float16: whether activations are float16.
        quantizes_activations: whether the inputs of large layers pass through int8.
    """

    name: str
    meaning: str
    minimum_target: str
    compression: LinearWeights | Palette | None = None
    computes_float16: bool = True
    quantizes_activations: bool = False


_INT8_PER_CHANNEL = LinearWeights("int8", "per_channel")

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("none", "float32 weights and arithmetic", "iOS16", computes_float16=False),
        Scheme("fp16", "float16 weights and arithmetic", "iOS16"),
        Scheme("int8", "int8 weights, a scale per output channel", "iOS16", _INT8_PER_CHANNEL),
        Scheme(
            "int4",
            f"int4 weights, a scale per {INT4_BLOCK} inputs",
            "iOS18",
            LinearWeights("int4", "per_block"),
        ),
        Scheme("lut8", "a palette of 256 weights per tensor", "iOS16", Palette(8)),
        Scheme("lut6", "a palette of 64 weights per tensor", "iOS16", Palette(6)),
        Scheme("lut4", "a palette of 16 weights per tensor", "iOS16", Palette(4)),
        Scheme(
            "w8a8",
            "int8 weights per output channel, int8 activations per tensor",
            "iOS17",
            _INT8_PER_CHANNEL,
            quantizes_activations=True,
        ),
    )
}
