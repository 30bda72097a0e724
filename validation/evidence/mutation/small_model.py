"""The model that the suite runs on: MobileSAM's architecture at a hundredth of its size."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from reference.modeling.variants import VARIANTS

SMALL = dataclasses.replace(
    VARIANTS["vit_t"],
    name="mutation_suite",
    embed_dims=(16, 32, 64, 64),
    num_heads=(1, 2, 2, 4),
    depths=(1, 1, 2, 1),
    embedding_dim=64,
    decoder_mlp_dim=128,
    image_size=256,
    demo=None,
)
SMALL_GATES = Path(__file__).with_name("small_model.toml")


@contextlib.contextmanager
def registered() -> Iterator[str]:
    """Let commands and functions know the model by its name, which is given, for as long as it takes."""
    VARIANTS[SMALL.name] = SMALL
    try:
        yield SMALL.name
    finally:
        del VARIANTS[SMALL.name]
