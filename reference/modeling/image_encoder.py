"""The image encoder of MobileSAM: TinyViT, built from timm's blocks, with the neck of Segment Anything.

Architecture: TinyViT (Wu et al., 2022) as distilled by MobileSAM (Zhang et al., 2023). It differs from timm's
``tiny_vit_5m_224`` in two ways. The last downsampling keeps its resolution (stride 1), so embeddings have one sixteenth
of the resolution. A neck replaces the classifier head.
"""

import timm.models.tiny_vit
from timm.models.tiny_vit import ConvLayer, PatchEmbed, PatchMerging, TinyVitStage
from torch import Tensor, nn

from reference.modeling.layers import LayerNorm2d
from reference.modeling.variants import Variant


class Attention(timm.models.tiny_vit.Attention):
    """The attention of timm, with the order of operations of the original.

    timm scales the queries before the product, or fuses all operations, while the original scales the product. The
    results differ only in the last bits. With this order, the embeddings equal those of the original bit by bit.
    """

    def forward(self, x: Tensor) -> Tensor:
        windows, tokens, _ = x.shape
        qkv = self.qkv(self.norm(x)).view(windows, tokens, self.num_heads, -1)
        q, k, v = qkv.split([self.key_dim, self.key_dim, self.val_dim], dim=3)
        q, k, v = (part.permute(0, 2, 1, 3) for part in (q, k, v))  # (windows, heads, tokens, d)
        biases = self.get_attention_biases(x.device)
        attention = ((q @ k.transpose(-2, -1)) * self.scale + biases).softmax(dim=-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(windows, tokens, self.out_dim))


class TinyViTImageEncoder(nn.Module):
    """Computes image embeddings (B, embedding_dim, S/16, S/16) from normalized pixels (B, 3, S, S)."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.img_size = variant.image_size  # S; the original has this name too
        dims = variant.embed_dims
        self.patch_embed = PatchEmbed(in_chs=3, out_chs=dims[0], act_layer=nn.GELU)
        self.stages = nn.Sequential(
            ConvLayer(dim=dims[0], depth=variant.depths[0], act_layer=nn.GELU),
            *(
                TinyVitStage(
                    dim=dims[stage - 1],
                    out_dim=dims[stage],
                    depth=variant.depths[stage],
                    num_heads=variant.num_heads[stage],
                    window_size=variant.window_sizes[stage],
                    downsample=PatchMerging,
                )
                for stage in (1, 2, 3)
            ),
        )
        # MobileSAM keeps SAM's 1/16 grid: the last downsampling has the classifier's weights, but stride 1.
        self.stages[3].downsample.conv2.conv.stride = (1, 1)
        for stage in self.stages[1:]:
            for block in stage.blocks:
                block.attn = Attention(
                    dim=block.dim,
                    key_dim=block.attn.key_dim,
                    num_heads=block.attn.num_heads,
                    attn_ratio=1,
                    resolution=block.attn.resolution,
                )
        self.neck = nn.Sequential(
            nn.Conv2d(dims[3], variant.embedding_dim, kernel_size=1, bias=False),
            LayerNorm2d(variant.embedding_dim),
            nn.Conv2d(
                variant.embedding_dim, variant.embedding_dim, kernel_size=3, padding=1, bias=False
            ),
            LayerNorm2d(variant.embedding_dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)  # (B, 3, S, S) → (B, C0, S/4, S/4)
        x = self.stages(x)  # → (B, C3, S/16, S/16)
        return self.neck(x)
