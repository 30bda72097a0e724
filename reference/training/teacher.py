"""The image encoder of the original Segment Anything, a ViT built from timm's blocks, as the teacher of MobileSAM.

All sizes are read from the checkpoint, so ViT-B, L, H and smaller ones need no table.
"""

import re
from collections.abc import Mapping
from functools import partial

from timm.models.vision_transformer_sam import VisionTransformerSAM, checkpoint_filter_fn
from torch import Tensor, nn

from reference.common.errors import CheckpointError
from reference.common.torch_errors import first_line

PATCH_SIZE = 16


class TeacherImageEncoder(nn.Module):
    """Computes image embeddings (B, embedding_dim, S/16, S/16) from normalized pixels (B, 3, S, S). It is frozen."""

    def __init__(self, state_dict: Mapping[str, Tensor], name: str) -> None:
        """Build the encoder from a checkpoint of the whole Segment Anything model, with the official names.

        Args:
            state_dict: official tensor name → tensor.
            name: name of the checkpoint, for error messages.

        Raises:
            CheckpointError: the checkpoint is of another model.
        """
        super().__init__()
        try:
            self.vit = _build(state_dict)
            weights = checkpoint_filter_fn(dict(state_dict), self.vit)
            self.vit.load_state_dict(weights)
        except (KeyError, ValueError, RuntimeError, IndexError) as error:
            raise CheckpointError(
                f"'{name}' is not a checkpoint of Segment Anything with a ViT image encoder "
                f"({first_line(error)}): expected sam_vit_b, sam_vit_l or sam_vit_h"
            ) from error
        self.eval().requires_grad_(False)

    @property
    def frame_size(self) -> int:
        """The side in pixels of the frame for which the encoder was made."""
        return self.vit.pos_embed.shape[1] * PATCH_SIZE

    def forward(self, x: Tensor) -> Tensor:
        return self.vit.forward_features(x)


def _build(state_dict: Mapping[str, Tensor]) -> VisionTransformerSAM:
    _, side, _, dim = state_dict["image_encoder.pos_embed"].shape
    numbers = [re.match(r"image_encoder\.blocks\.(\d+)\.", name) for name in state_dict]
    depth = 1 + max(int(number[1]) for number in numbers if number)
    positions = [state_dict[f"image_encoder.blocks.{i}.attn.rel_pos_h"] for i in range(depth)]
    windows = [(len(table) + 1) // 2 for table in positions]  # a table has 2 × window - 1 distances
    hidden = state_dict["image_encoder.blocks.0.mlp.lin1.weight"].shape[0]
    return VisionTransformerSAM(
        img_size=side * PATCH_SIZE,
        patch_size=PATCH_SIZE,
        num_classes=0,
        embed_dim=dim,
        depth=depth,
        num_heads=dim // positions[0].shape[1],
        mlp_ratio=hidden / dim,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=min(windows),
        global_attn_indexes=tuple(i for i, window in enumerate(windows) if window == side),
        neck_chans=state_dict["image_encoder.neck.0.weight"].shape[0],
    )
