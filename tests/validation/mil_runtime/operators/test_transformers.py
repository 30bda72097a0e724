import math

import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import check_operator
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.operators.transformers import scaled_dot_product_attention

QUERIES, KEYS, WIDTH, VALUES = 4, 3, 5, 6


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def operands(*batch):
    return {
        "query": random(*batch, QUERIES, WIDTH),
        "key": random(*batch, KEYS, WIDTH, seed=1),
        "value": random(*batch, KEYS, VALUES, seed=2),
    }


def attention(query, key, value, mask=0.0):
    scores = torch.einsum("...le,...se->...ls", query, key) / math.sqrt(WIDTH) + mask
    weights = torch.exp(scores)
    return torch.einsum("...ls,...sv->...lv", weights / weights.sum(-1, keepdim=True), value)


@pytest.mark.parametrize("batch", [(2,), (2, 3), (2, 1, 2)])
def test_attention_without_a_mask_is_softmax_of_scores(batch):
    check_operator(mb.scaled_dot_product_attention, operands(*batch), attention)


MASKS = [
    ((2,), (KEYS,)),
    ((2,), (QUERIES, KEYS)),
    ((2,), (2, 1, KEYS)),
    ((2, 3), (1, KEYS)),
    ((2, 3), (3, QUERIES, KEYS)),
    ((2, 3), (2, 1, QUERIES, KEYS)),
    ((2, 1, 2), (QUERIES, KEYS)),
]


@pytest.mark.parametrize(("batch", "mask_shape"), MASKS)
def test_numbers_of_a_mask_are_added_to_scores(batch, mask_shape):
    check_operator(
        lambda query, key, value, mask: mb.scaled_dot_product_attention(
            query=query, key=key, value=value, attn_mask=mask
        ),
        operands(*batch) | {"mask": random(*mask_shape, seed=3)},
        attention,
    )


@pytest.mark.parametrize(("batch", "mask_shape"), MASKS)
def test_queries_attend_where_a_mask_is_true(batch, mask_shape):
    mask = np.random.default_rng(3).random(mask_shape) < 0.5
    mask[..., 0] = True
    check_operator(
        lambda query, key, value: mb.scaled_dot_product_attention(
            query=query, key=key, value=value, attn_mask=mask
        ),
        operands(*batch),
        lambda query, key, value: attention(query, key, value, torch.tensor(mask).log()),
    )


@pytest.mark.parametrize("nowhere", [torch.tensor([-torch.inf] * 2), torch.tensor([False] * 2)])
def test_a_query_that_may_attend_nowhere_has_no_result(nowhere):
    mask = torch.stack(
        (nowhere, torch.zeros_like(nowhere) if nowhere.is_floating_point() else ~nowhere)
    )
    query, key, value = torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.ones(1, 2, 1)
    first, second = scaled_dot_product_attention(query, key, value, mask).flatten().tolist()
    assert math.isnan(first)
    assert second == 1


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3), (2, 3)), ((1, 2, 3), (1, 1, 2, 3), (1, 2, 3))])
def test_refuses_ranks_that_are_not_one(shapes):
    with pytest.raises(OperationError, match="expected one rank, 3 or more"):
        scaled_dot_product_attention(*(torch.ones(shape) for shape in shapes))
