"""Initial weights with which prompts have a position from the first step, and the encoder passes on the picture."""

import torch

from reference.modeling.sam import Sam

# Factor on torch's initialization. A factor of 4, with tokens of half the size, learned more slowly in the trial below.
QUERY_GAIN = 2.0
# Factors on torch's initialization, which is added to a kernel that passes its input on.
LOCAL_NOISE = 0.1
NECK_NOISE = 0.3


@torch.no_grad()
def localize_prompts(sam: Sam) -> None:
    """Let tokens and image attend to each other by their positions.

    The queries and keys of each cross-attention get the same projection. Its logits are then a scalar product of
    positional encodings, which is highest at the prompt. With independent projections, attention is the same
    everywhere, and the model predicts only background for a long time. In a trial on pictures of 128 pixels with a
    small encoder, the mean IoU from a box after 450 steps of 8 pictures was 0.34 instead of 0.
    """
    transformer = sam.mask_decoder.transformer
    attentions = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        attentions += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    for attention in attentions:
        attention.q_proj.weight.mul_(QUERY_GAIN)
        attention.k_proj.weight.copy_(attention.q_proj.weight)


@torch.no_grad()
def pass_on_what_is_seen(sam: Sam) -> None:
    """Let 3×3 convolutions without a residual connection begin close to the identity.

    Each block of TinyViT has one, ten in a row. With random kernels they blur and mix the picture. A linear readout of
    the embeddings of vit_t then explains 22 % of the variance of the 48 mean colors in a cell. With this initialization
    it explains 66 %.
    """
    encoder = sam.image_encoder
    kernels = [encoder.stages[3].downsample.conv2.conv.weight]
    kernels += [
        block.local_conv.conv.weight for stage in encoder.stages[1:] for block in stage.blocks
    ]
    for kernel in kernels:
        kernel.mul_(LOCAL_NOISE)[:, 0, 1, 1] += 1
    neck = encoder.neck[2].weight
    neck.mul_(NECK_NOISE)[:, :, 1, 1] += torch.eye(len(neck), device=neck.device)
