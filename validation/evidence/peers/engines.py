"""The engines of the peers, which implement ``validation.engines.Engine``.

Each opens an ``Artifact`` whose components are the peer's own files. ``contestants`` makes them.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from converters.io_spec import (
    LABEL_BOX_BOTTOM_RIGHT,
    LABEL_BOX_TOP_LEFT,
    LABEL_EMPTY_SLOT,
    image_encoder_spec,
    mask_decoder_spec,
)
from converters.prompt_slots import SlotPrompt
from converters.samples import SampleCase
from reference.modeling.sam import Sam
from reference.weights.checkpoint import load_weights, read_checkpoint
from validation.artifacts.artifact import Artifact
from validation.questions.cases import is_ambiguous


class EagerEngine:
    """The reference's modules in PyTorch, without a compiler."""

    def __init__(self, artifact: Artifact) -> None:
        """Load the checkpoint, which is the file of both components."""
        self.name = f"PyTorch {_version(torch)} eager"
        self._sam = Sam(artifact.variant)
        load_weights(self._sam, read_checkpoint(artifact.components["image_encoder"]))
        self._sam.eval()

    def encode(self, frame: Tensor) -> Tensor:
        return self._sam.encode_image(frame)

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, Tensor]:
        """Decode a prompt without its empty slots, which the reference does not need."""
        points, boxes = without_slots(prompt)
        return self._sam.decode_prompts(image_embeddings, points, boxes, None)


class OnnxEngine:
    """An engine that runs onnxruntime on the processor, with as many threads as torch uses."""

    def __init__(self, artifact: Artifact) -> None:
        """Load the files of both components."""
        import onnxruntime

        self.name = f"onnxruntime {onnxruntime.__version__}"
        variant, slots = artifact.variant, artifact.prompt_slots
        self._encoder_inputs = _names(image_encoder_spec(variant).inputs)
        self._decoder_inputs = _names(mask_decoder_spec(variant, slots).inputs)
        self._encoder, self._decoder = (
            onnx_session(artifact.components[name], torch.get_num_threads())
            for name in ("image_encoder", "mask_decoder")
        )

    def encode(self, frame: Tensor) -> Tensor:
        (image_embeddings,) = _run(self._encoder, self._encoder_inputs, (frame,))
        return image_embeddings

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, Tensor]:
        tensors = image_embeddings, *prompt.tensors
        low_res_masks, iou_predictions = _run(self._decoder, self._decoder_inputs, tensors)
        return low_res_masks, iou_predictions


def onnx_session(path: Path, threads: int):  # noqa: ANN201  its type needs onnxruntime
    """Return an ``onnxruntime.InferenceSession`` on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Otherwise its threads would keep spinning while the next program has its turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class UltralyticsEngine:
    """An engine that runs the MobileSAM of ultralytics.

    It is a ``WholeEngine``: it goes from a photo's file to the mask in its own way, and resizes and pads
    differently from Segment Anything.
    """

    def __init__(self, artifact: Artifact) -> None:
        """Load the checkpoint, which is the file of both components."""
        threads = torch.get_num_threads()
        import ultralytics
        from ultralytics.models.sam import Predictor
        from ultralytics.models.sam.build import build_mobile_sam

        self.name = f"ultralytics {ultralytics.__version__}"
        model = build_mobile_sam(str(artifact.components["image_encoder"]))
        settings = {"imgsz": artifact.variant.image_size, "device": "cpu", "save": False}
        self._predictor = Predictor(overrides={**settings, "verbose": False, "mode": "predict"})
        self._predictor.setup_model(model, verbose=False)
        self._predictor.args.conf = -math.inf  # returns masks of every score
        self._model = self._predictor.model
        torch.set_num_threads(threads)  # undo the number that ultralytics sets

    @torch.inference_mode()
    def encode(self, frame: Tensor) -> Tensor:
        return self._model.image_encoder((frame - self._predictor.mean) / self._predictor.std)

    @torch.inference_mode()
    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, Tensor]:
        points, boxes = without_slots(prompt)
        sparse, dense = self._model.prompt_encoder(points=points, boxes=boxes, masks=None)
        return self._model.mask_decoder.predict_masks(
            image_embeddings=image_embeddings,
            image_pe=self._model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )

    def segment(self, image: Path, case: SampleCase) -> np.ndarray:
        prompts = {"multimask_output": is_ambiguous(case)}
        if case.points:
            # The outer list has one entry per object.
            prompts |= {"points": [list(map(list, case.points))], "labels": [list(case.labels)]}
        if case.box is not None:
            prompts["bboxes"] = list(case.box)
        (result,) = self._predictor(str(image), **prompts)
        best = int(result.boxes.conf.argmax())
        return result.masks.data[best].numpy().astype(bool)


def without_slots(
    prompt: SlotPrompt,
) -> tuple[tuple[Tensor, Tensor] | None, Tensor | None]:
    """Return the points, ((1, K, 2), (1, K)), and the box, (1, 4), that the slots contain."""
    coords, labels = prompt.point_coords[0], prompt.point_labels[0]
    corners = (labels == LABEL_BOX_TOP_LEFT) | (labels == LABEL_BOX_BOTTOM_RIGHT)
    given = ~corners & (labels != LABEL_EMPTY_SLOT)
    points = (coords[given][None], labels[given][None].int()) if given.any() else None
    return points, coords[corners].reshape(1, 4) if corners.any() else None


def _names(tensors: Sequence) -> list[str]:
    return [tensor.name for tensor in tensors]


def _run(session: object, names: Sequence[str], tensors: Sequence[Tensor]) -> list[Tensor]:
    given = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
    feeds = {item.name: given[item.name] for item in session.get_inputs()}
    return [torch.from_numpy(output) for output in session.run(None, feeds)]


def _version(package: object) -> str:
    return package.__version__.split("+")[0]
