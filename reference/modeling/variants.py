"""The table of model variants: the only place that knows sizes, official files and pixel statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reference.common.errors import MobileSAMError


@dataclass(frozen=True)
class OfficialCheckpoint:
    """A published weights file, identified by its exact bytes."""

    url: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class DemoCheckpoint:
    """Weights trained in this repository: a file of reference/weights/data, identified by its exact bytes."""

    file_name: str
    sha256: str


@dataclass(frozen=True)
class Variant:
    """Sizes and constants of one Segment Anything model.

    ``embed_dims``, ``depths``, ``num_heads`` and ``window_sizes`` are TinyViT's, one entry per stage.
    ``title`` is the model's name in prose and ``file_stem`` in file names.
    ``pixel_mean`` and ``pixel_std`` are per RGB channel on a 0…255 scale.
    """

    name: str
    title: str
    file_stem: str
    embed_dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    num_heads: tuple[int, int, int, int]
    window_sizes: tuple[int, int, int, int]
    official: OfficialCheckpoint | None
    demo: DemoCheckpoint | None = None
    image_size: int = 1024
    embedding_dim: int = 256
    decoder_mlp_dim: int = 2048
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    @property
    def embedding_size(self) -> int:
        """Side of the square grid of image embeddings; a cell covers 16×16 pixels of the frame."""
        return self.image_size // 16

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution masks, a quarter of the frame's."""
        return self.image_size // 4


_ALL = (
    Variant(
        name="vit_t",
        title="MobileSAM",
        file_stem="mobile_sam",
        embed_dims=(64, 128, 160, 320),
        depths=(2, 2, 6, 2),
        num_heads=(2, 4, 5, 10),
        window_sizes=(7, 7, 14, 7),
        official=OfficialCheckpoint(
            url=(
                "https://github.com/ChaoningZhang/MobileSAM/raw/"
                "f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt"
            ),
            size=40_728_226,
            sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        ),
        demo=DemoCheckpoint(
            file_name="mobile_sam_demo.safetensors",
            sha256="d52121b78cdeacacc6a5ca3d630c06705b33b4fb2964986e656de0fb8945edd9",
        ),
    ),
    # The same architecture at a hundredth of the size: for tests, and for trying the tools in seconds. It has
    # no weights but seeded ones.
    Variant(
        name="tiny",
        title="MobileSAMTiny",
        file_stem="mobile_sam_tiny",
        embed_dims=(16, 32, 64, 64),
        depths=(1, 1, 2, 1),
        num_heads=(1, 2, 2, 4),
        window_sizes=(7, 7, 14, 7),
        official=None,
        image_size=256,
        embedding_dim=64,
        decoder_mlp_dim=128,
    ),
)
VARIANTS: Mapping[str, Variant] = MappingProxyType({variant.name: variant for variant in _ALL})


def get_variant(name: str) -> Variant:
    """Look a variant up by name; raises MobileSAMError naming the known ones."""
    try:
        return VARIANTS[name]
    except KeyError:
        raise MobileSAMError(
            f"unknown model '{name}': expected one of {', '.join(VARIANTS)}"
        ) from None
