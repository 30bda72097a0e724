"""A variant small enough for tests that convert."""

import dataclasses

from reference.variants import VARIANTS

TINY = dataclasses.replace(
    VARIANTS["vit_t"],
    name="tiny",
    embed_dims=(16, 32, 64, 64),
    num_heads=(1, 2, 2, 4),
    depths=(1, 1, 2, 1),
    embedding_dim=64,
    decoder_mlp_dim=128,
    image_size=256,
)
