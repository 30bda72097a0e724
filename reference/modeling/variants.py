"""The table of model variants, which is the only place for sizes, official files and pixel statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reference.common.errors import MobileSAMError


@dataclass(frozen=True)
class OfficialCheckpoint:
    """A published file of weights, identified by its size and digest."""

    url: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class DemoCheckpoint:
    """Weights that were trained in this repository: a file in reference/weights/data, identified by its digest."""

    file_name: str
    sha256: str


@dataclass(frozen=True)
class Variant:
    """Sizes and constants of one Segment Anything model.

    Attributes:
        name: name of the variant, as in ``--model``.
        title: name of the model in prose and in names of Core ML packages.
        file_stem: name of the model in names of files and folders.
        embed_dims: channels of each TinyViT stage.
        depths: number of blocks of each stage.
        num_heads: attention heads of each stage.
        window_sizes: side of the attention windows of each stage, in tokens.
        official: the published checkpoint, if there is one.
        demo: the weights that come with this package, if there are any.
        image_size: S, the side of the square frame in pixels.
        embedding_dim: channels of the image embeddings.
        decoder_mlp_dim: hidden channels of the MLPs in the mask decoder.
        pixel_mean: mean of each RGB channel, in 0…255.
        pixel_std: standard deviation of each RGB channel, in 0…255.
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
        """The side of the square grid of image embeddings. A cell covers 16×16 pixels of the frame."""
        return self.image_size // 16

    @property
    def mask_size(self) -> int:
        """The side of the low-resolution masks, which is a quarter of the side of the frame."""
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
    # The same architecture at a hundredth of the size, for tests and for trying the tools in seconds. It has only
    # seeded weights.
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
    """Return the variant with this name.

    Raises:
        MobileSAMError: the name is unknown. The message lists the known names.
    """
    try:
        return VARIANTS[name]
    except KeyError:
        raise MobileSAMError(
            f"unknown model '{name}': expected one of {', '.join(VARIANTS)}"
        ) from None
