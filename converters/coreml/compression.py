"""The graph passes of coremltools that compress weights, configured for a scheme."""

import coremltools.optimize.coreml as cto

from converters.coreml.passes import Compression
from converters.coreml.schemes import INT4_BLOCK, LARGE_WEIGHT, WEIGHTED_OPS, LinearWeights, Scheme


def compression_of(scheme: Scheme) -> Compression | None:
    """Return the graph pass that compresses the weights, with its configuration, or None."""
    if scheme.compression is None:
        return None
    if isinstance(scheme.compression, LinearWeights):
        config = cto.OpLinearQuantizerConfig(
            mode="linear_symmetric",
            dtype=scheme.compression.dtype,
            granularity=scheme.compression.granularity,
            block_size=INT4_BLOCK,  # has no effect with a scale per channel
            weight_threshold=LARGE_WEIGHT,
        )
        return Compression("compression::linear_quantize_weights", _kernels_only(config))
    config = cto.OpPalettizerConfig(
        mode="kmeans", nbits=scheme.compression.bits, weight_threshold=LARGE_WEIGHT
    )
    return Compression("compression::palettize_weights", _kernels_only(config))


def _kernels_only(config: object) -> cto.OptimizationConfig:
    """Apply ``config`` to the kernels of linear layers and convolutions, and to no other constant."""
    return cto.OptimizationConfig(op_type_configs=dict.fromkeys(WEIGHTED_OPS, config))
