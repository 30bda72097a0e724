"""The whole model: image encoder, prompt encoder and mask decoder joined."""

import numpy as np
import torch
from torch import Tensor, nn

from reference.common.errors import ImageError
from reference.modeling.image_encoder import TinyViTImageEncoder
from reference.modeling.mask_decoder import MaskDecoder
from reference.modeling.prompt_encoder import PromptEncoder
from reference.modeling.variants import Variant
from reference.predictor import Predictor


class Sam(nn.Module):
    """Segment Anything with a TinyViT image encoder.

    Parameter names of ``prompt_encoder`` and ``mask_decoder`` are the official checkpoint's; those of
    ``image_encoder`` are timm's (``reference.weights.checkpoint`` maps between them).
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.image_encoder = TinyViTImageEncoder(variant)
        self.prompt_encoder = PromptEncoder(variant)
        self.mask_decoder = MaskDecoder(variant)
        for name in ("pixel_mean", "pixel_std"):
            value = torch.tensor(getattr(variant, name)).reshape(1, 3, 1, 1)
            self.register_buffer(name, value, persistent=False)

    @property
    def frame_size(self) -> int:
        """Side of the square frame that a photo is placed in, in pixels."""
        return self.variant.image_size

    @property
    def mean_color(self) -> np.ndarray:
        """(3,) float32 RGB in 0…255: what the frame is padded with, zero after normalization."""
        return np.array(self.variant.pixel_mean, np.float32)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.pixel_mean.device

    @property
    def mask_threshold(self) -> float:
        """Above it, a mask's logit means the object."""
        return 0.0

    def forward(self, batched_input: list[dict], multimask_output: bool) -> list[dict[str, Tensor]]:
        """Answer prompts about several photos, as the original's ``Sam`` does when it is called.

        Args:
            batched_input: one dict a photo, with ``image`` (3, h, w) and ``original_size`` as
                ``Predictor.set_torch_image`` takes them, and what there is of ``point_coords``,
                ``point_labels``, ``boxes`` and ``mask_inputs``, as ``Predictor.predict_torch`` takes them.
            multimask_output: three guesses for an ambiguous prompt, or the one answer.

        Returns:
            One dict a photo: ``masks`` (B, C, H, W), boolean, ``iou_predictions`` (B, C) and
            ``low_res_logits`` (B, C, S/4, S/4).

        Raises:
            MobileSAMError: a photo or a prompt does not fit.
        """
        predictor, answers = Predictor(self), []
        for record in batched_input:
            if missing := {"image", "original_size"}.difference(record):
                raise ImageError(
                    f"an entry of batched_input lacks {', '.join(sorted(missing))}: expected image and "
                    "original_size, and prompts"
                )
            predictor.set_torch_image(record["image"][None], record["original_size"])
            prompts = (
                record.get(name)
                for name in ("point_coords", "point_labels", "boxes", "mask_inputs")
            )
            answer = predictor.predict_torch(*prompts, multimask_output)
            names = "masks", "iou_predictions", "low_res_logits"
            answers.append(dict(zip(names, answer, strict=True)))
        return answers

    @torch.no_grad()
    def encode_image(self, frame: Tensor) -> Tensor:
        """(1, 3, S, S) RGB in 0…255, padded with the mean color → (1, dim, S/16, S/16) image embeddings."""
        return self.image_encoder((frame.to(self.device) - self.pixel_mean) / self.pixel_std)

    @torch.no_grad()
    def decode_prompts(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Answer the prompts of B objects; arguments as ``PromptEncoder``, in pixels of the frame, on any device.

        Returns:
            (B, 4, S/4, S/4) mask logits and (B, 4) predicted IoU.
        """
        if points is not None:
            points = points[0].to(self.device), points[1].to(self.device)
        boxes, mask_input = (
            None if prompt is None else prompt.to(self.device) for prompt in (boxes, mask_input)
        )
        sparse, dense = self.prompt_encoder(points, boxes, mask_input)
        return self.mask_decoder(
            image_embeddings, self.prompt_encoder.dense_positional_encoding(), sparse, dense
        )
