import torch
from torch.nn.functional import avg_pool2d

from reference.modeling.sam import Sam
from reference.scenes import generate_scenes
from reference.training.grouping_task import unexplained_colors
from reference.training.initialization import localize_prompts, pass_on_what_is_seen
from tests.support.tiny_variant import TINY


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


@torch.no_grad()
def test_embeddings_say_what_color_their_cell_has():
    torch.manual_seed(0)
    sam = Sam(TINY).train()
    images = generate_scenes(range(24), 256).images
    pixels = (images - sam.pixel_mean) / sam.pixel_std

    def lost() -> float:
        return unexplained_colors(sam.image_encoder(pixels), avg_pool2d(pixels, 16)).item()

    before = lost()
    pass_on_what_is_seen(sam)
    assert lost() < 0.85 * before
