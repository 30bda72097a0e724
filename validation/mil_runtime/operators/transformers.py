"""The attention operator.

Semantics: coremltools' ``ops/defs/iOS18/transformers.py``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import operator


@operator("scaled_dot_product_attention", since=Opset.iOS18)
def scaled_dot_product_attention(
    query: Tensor,  # [..., L, E]
    key: Tensor,  # [..., S, E]
    value: Tensor,  # [..., S, EV]
    attn_mask: Tensor | None = None,  # [..., L, S]; True or 0 where a query may attend to a key
) -> Tensor:
    ranks = (query.dim(), key.dim(), value.dim())
    if min(ranks) < 3 or len(set(ranks)) > 1:
        raise OperationError(f"ranks {ranks} of query, key, value: expected one rank, 3 or more")
    if query.dim() == 3:  # torch's fused kernel expects rank 4
        mask = attn_mask if attn_mask is None or attn_mask.dim() < 3 else attn_mask.unsqueeze(0)
        attended = _attend(query[None], key[None], value[None], mask)
        return attended[0]
    return _attend(query, key, value, attn_mask)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value)
    if mask.dim() < 2:
        mask = mask.expand(1, -1)
    attended = F.scaled_dot_product_attention(query, key, value, mask)
    # If a query may attend to no key, the softmax is 0 / 0, for which torch returns 0.
    nowhere = ~mask.any(-1) if mask.dtype == torch.bool else mask.isneginf().all(-1)
    return attended.masked_fill(nowhere.unsqueeze(-1), torch.nan) if nowhere.any() else attended
