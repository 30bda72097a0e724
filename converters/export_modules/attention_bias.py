"""What the window attention of all layouts shares: compact attention biases, and queries that are already scaled."""

import torch
from timm.models.tiny_vit import Attention
from torch import Tensor, nn
from torch.nn.functional import one_hot


class AttentionBias(nn.Module):
    """The bias of each pair of tokens of a window, expanded from a table of distances.

    The bias depends only on the distances |Δy| and |Δx| of the two tokens. It is expanded in the graph, one axis after
    the other. The token × token index of the original would be folded into a table 200 times as large. The expansion
    multiplies by a one-hot matrix. That is exact in every float format and stays on the Neural Engine, which a gather
    does not.
    """

    def __init__(self, original: Attention) -> None:
        super().__init__()
        # timm numbers the distances in reading order: entry |Δy| * window + |Δx|.
        table = original.attention_biases.detach().unflatten(1, (1, *original.resolution))
        self.biases = nn.Parameter(table.clone(), requires_grad=False)  # (heads, 1, |Δy|, |Δx|)
        position = torch.arange(original.resolution[0])
        distances = (position[:, None] - position[None, :]).abs()
        # (1, window, window, window): whether two positions, the first two axes, have the distance of the third
        self.register_buffer("has_distance", one_hot(distances).float()[None])

    def forward(self) -> Tensor:
        """Return the biases (heads, tokens, tokens)."""
        window = self.has_distance.shape[-1]
        bias = self.has_distance @ self.biases  # (heads, y1, y2, |Δx|)
        bias = bias.reshape(-1, 1, window, window) @ self.has_distance.transpose(2, 3)
        # (heads*y1, x1, y2, x2) → (heads, y1*x1, y2*x2)
        return bias.reshape(-1, window**2, window**2)


def scale_queries(attention: Attention) -> nn.Linear:
    """Return the projection to queries, keys and values with the factor 1/sqrt(d) folded into the queries."""
    qkv = attention.qkv
    is_query = torch.arange(qkv.out_features) % (3 * attention.key_dim) < attention.key_dim
    scale = torch.where(is_query, attention.scale, 1.0)
    qkv.weight.data *= scale[:, None]
    qkv.bias.data *= scale
    return qkv
