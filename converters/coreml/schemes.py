"""The quantization schemes of Core ML: how a package stores its weights and computes. It imports nothing heavy."""

from dataclasses import dataclass, replace

from converters.quantization.weight_formats import Integers, Palette, WeightFormat
from converters.size_goal import AUTO

WEIGHTED_OPS = ("conv", "conv_transpose", "linear")
INT4_BLOCK = 32  # consecutive inputs of one output channel that share a scale


@dataclass(frozen=True)
class Scheme:
    """One quantization scheme.

    Attributes:
        name: the name of the scheme.
        meaning: one line that says how weights are stored. It is part of the metadata of a package.
        minimum_target: the lowest deployment target that has the operations of the scheme.
        weights: how large weights are stored, or None if they are floats.
        computes_float16: whether activations are float16.
        quantized_activations: the components in which the inputs of large layers pass through int8, where int8 can
            hold them. The mask decoder is not among them: its attention needs more, and it takes little time.
    """

    name: str
    meaning: str
    minimum_target: str
    weights: WeightFormat | None = None
    computes_float16: bool = True
    quantized_activations: frozenset[str] = frozenset()

    def weights_for(self, deployment_target: str) -> WeightFormat | None:
        """Return how large weights are stored for a deployment target: from iOS 18 on, palettes have scales."""
        if isinstance(self.weights, Palette) and deployment_target == "iOS18":
            return replace(self.weights, scaled=True)
        return self.weights


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("none", "float32 weights and arithmetic", "iOS16", computes_float16=False),
        Scheme("fp16", "float16 weights and arithmetic", "iOS16"),
        Scheme("int8", "int8 weights, a scale per output channel", "iOS16", Integers(8)),
        Scheme(
            "int4",
            f"int4 weights, a scale per {INT4_BLOCK} inputs",
            "iOS18",
            Integers(4, INT4_BLOCK),
        ),
        Scheme("lut8", "a palette of 256 weights per tensor", "iOS16", Palette(8)),
        Scheme("lut6", "a palette of 64 weights per tensor", "iOS16", Palette(6)),
        Scheme("lut4", "a palette of 16 weights per tensor", "iOS16", Palette(4)),
        Scheme(
            "w8a8",
            "int8 weights per output channel, int8 inputs of most layers of the image encoder",
            "iOS17",
            Integers(8),
            quantized_activations=frozenset({"image_encoder"}),
        ),
    )
}

MIXED = Scheme(AUTO, "a format for each layer, by what it costs the masks", "iOS16")
ALL_SCHEMES = SCHEMES | {AUTO: MIXED}
FLOAT_SCHEMES = tuple(name for name, scheme in SCHEMES.items() if scheme.weights is None)


def candidate_formats(deployment_target: str) -> tuple[WeightFormat, ...]:
    """Return how the scheme ``auto`` may store a weight, besides float16."""
    if deployment_target == "iOS18":
        palettes = tuple(Palette(bits, scaled=True) for bits in (2, 3, 4, 6))
        return (*palettes, Integers(4, INT4_BLOCK), Integers(8))
    return (*(Palette(bits) for bits in (2, 4, 6)), Integers(8))
