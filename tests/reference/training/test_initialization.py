import torch
from tiny_variant import TINY

from reference.sam import Sam
from reference.training.initialization import localize_prompts


def test_a_prompt_attends_most_to_where_it_is():
    torch.manual_seed(0)
    sam = Sam(TINY)
    localize_prompts(sam)
    grid = sam.prompt_encoder.dense_positional_encoding()[0].flatten(1).T  # (cells, dim)
    attention = sam.mask_decoder.transformer.layers[0].cross_attn_token_to_image
    with torch.no_grad():
        queries = attention.q_proj(grid) - attention.q_proj.bias
        keys = attention.k_proj(grid) - attention.k_proj.bias
    cells = torch.arange(len(grid))
    nearest = (queries @ keys.T).argmax(1)
    assert (nearest == cells).float().mean() > 0.9
