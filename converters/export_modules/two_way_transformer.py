"""The two-way transformer of the mask decoder with hidden tokens, for the attentions of any layout."""

from collections.abc import Iterable

from torch import Tensor, nn

from reference.modeling.transformer import TwoWayAttentionBlock


class SlotAttentionBlock(nn.Module):
    """The two-way block, with hidden keys wherever tokens are the keys of an attention."""

    def __init__(
        self,
        original: TwoWayAttentionBlock,
        self_attn: nn.Module,
        cross_attn_token_to_image: nn.Module,
        cross_attn_image_to_token: nn.Module,
        norm4: nn.Module,
    ) -> None:
        """Take what depends on the layout, and the rest from ``original``.

        ``cross_attn_image_to_token`` adds its result to the image, and may overwrite it.
        """
        super().__init__()
        self.skip_first_layer_pe = original.skip_first_layer_pe
        self.self_attn = self_attn
        self.norm1 = original.norm1
        self.cross_attn_token_to_image = cross_attn_token_to_image
        self.norm2 = original.norm2
        self.mlp = original.mlp
        self.norm3 = original.norm3
        self.cross_attn_image_to_token = cross_attn_image_to_token
        self.norm4 = norm4

    def forward(
        self, queries: Tensor, image: Tensor, query_pe: Tensor, image_pe: Tensor, token_bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        if self.skip_first_layer_pe:
            queries = self.self_attn(queries, queries, queries, token_bias)
        else:
            q = queries + query_pe
            queries = queries + self.self_attn(q, q, queries, token_bias)
        queries = self.norm1(queries)

        pixels = image + image_pe
        attended = self.cross_attn_token_to_image(queries + query_pe, pixels, image)
        queries = self.norm2(queries + attended)
        queries = self.norm3(queries + self.mlp(queries))

        image = self.cross_attn_image_to_token(
            image, pixels, queries + query_pe, queries, token_bias
        )
        return queries, self.norm4(image)


class SlotTransformer(nn.Module):
    """The two-way transformer over an image and tokens, some of which are hidden."""

    def __init__(
        self,
        layers: Iterable[SlotAttentionBlock],
        final_attn_token_to_image: nn.Module,
        norm_final_attn: nn.Module,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.final_attn_token_to_image = final_attn_token_to_image
        self.norm_final_attn = norm_final_attn

    def forward(
        self, image: Tensor, image_pe: Tensor, tokens: Tensor, token_bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        queries = tokens
        for layer in self.layers:
            queries, image = layer(queries, image, tokens, image_pe, token_bias)
        attention = self.final_attn_token_to_image(queries + tokens, image + image_pe, image)
        return self.norm_final_attn(queries + attention), image
