"""``Sam``, the whole model: image encoder, prompt encoder and mask decoder."""

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

    ``build_sam`` builds it with weights. ``Predictor`` and ``SAM`` ask it about photos.

    The parameters of ``prompt_encoder`` and ``mask_decoder`` have the names of the official checkpoint. Those of
    ``image_encoder`` have timm's names, and ``reference.weights`` maps between the two.

    Attributes:
        variant: sizes and constants of the model.
        image_encoder: computes image embeddings from normalized pixels.
        prompt_encoder: computes the embeddings of prompts.
        mask_decoder: computes mask logits and predicted IoU from both.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

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
        """The side S of the square frame in which a photo is placed, in pixels."""
        return self.variant.image_size

    @property
    def mean_color(self) -> np.ndarray:
        """The RGB color in 0…255 that pads the frame, float32 (3,). It is zero after normalization."""
        return np.array(self.variant.pixel_mean, np.float32)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.pixel_mean.device

    @property
    def mask_threshold(self) -> float:
        """The threshold of mask logits. A pixel with a larger logit belongs to the object."""
        return 0.0

    def forward(self, batched_input: list[dict], multimask_output: bool) -> list[dict[str, Tensor]]:
        """Answer prompts about several photos, like the ``Sam`` of Segment Anything.

        Args:
            batched_input: one dict per photo. ``image`` (3, h, w) and ``original_size`` are required, as in
                ``Predictor.set_torch_image``. ``point_coords``, ``point_labels``, ``boxes`` and ``mask_inputs`` are
                optional, as in ``Predictor.predict_torch``.
            multimask_output: whether to return three masks per object, for ambiguous prompts, instead of one.

        Returns:
            One dict per photo, for B objects with C masks each: ``masks``, bool (B, C, H, W); ``iou_predictions``
            (B, C); and ``low_res_logits`` (B, C, S/4, S/4).

        Raises:
            MobileSAMError: a photo or a prompt has an invalid shape or value.
        """
        predictor, answers = Predictor(self), []
        for record in batched_input:
            if missing := {"image", "original_size"}.difference(record):
                raise ImageError(
                    f"an entry of batched_input lacks {', '.join(sorted(missing))}: expected image, "
                    "original_size and prompts"
                )
            predictor.set_torch_image(record["image"][None], record["original_size"])
            answer = predictor.predict_torch(
                record.get("point_coords"),
                record.get("point_labels"),
                record.get("boxes"),
                record.get("mask_inputs"),
                multimask_output,
            )
            names = "masks", "iou_predictions", "low_res_logits"
            answers.append(dict(zip(names, answer, strict=True)))
        return answers

    @torch.no_grad()
    def encode_image(self, frame: Tensor) -> Tensor:
        """Compute the image embeddings of a frame.

        Args:
            frame: (1, 3, S, S), RGB in 0…255, padded with the mean color. It may be on any device.

        Returns:
            Image embeddings (1, dim, S/16, S/16).
        """
        return self.image_encoder((frame.to(self.device) - self.pixel_mean) / self.pixel_std)

    @torch.no_grad()
    def decode_prompts(
        self,
        image_embeddings: Tensor,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        mask_input: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Answer the prompts of B objects about one photo. The tensors may be on any device.

        Args:
            image_embeddings: (1, dim, S/16, S/16), from ``encode_image``.
            points: coordinates (B, K, 2), x and y in pixels of the frame, and labels (B, K), 1 for a point on the
                object and 0 for the background; or None.
            boxes: (B, 4), x1, y1, x2, y2 in pixels of the frame, or None.
            mask_input: (B, 1, S/4, S/4), logits of an earlier answer, or None.

        Returns:
            Mask logits (B, 4, S/4, S/4) and predicted IoU (B, 4). Mask 0 answers an unambiguous prompt, and masks 1 to
            3 are the candidates for an ambiguous one.
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
