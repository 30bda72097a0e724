"""``ResizeLongestSide``, which converts pixels of a photo to pixels of the frame.

Source: the class of the same name in Segment Anything. ``predictor.transform`` is an instance. Programs call it to
prepare the arguments of ``Predictor.set_torch_image`` and ``Predictor.predict_torch``. The frame is the model's square
input, and the resized photo fills its top left.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from reference.photos.preprocessing import frame_scale, resize_photo, resized_size


class ResizeLongestSide:
    """Scales photos, points and boxes so that a photo's longest side is ``target_length`` pixels.

    In all methods, ``original_size`` is the (height, width) of the photo.
    """

    def __init__(self, target_length: int) -> None:
        self.target_length = target_length

    def apply_image(self, image: np.ndarray) -> np.ndarray:
        """Resize a uint8 (H, W, 3) photo, with bilinear antialiased resampling in 8 bits."""
        return np.array(resize_photo(image, self.target_length))

    def apply_coords(self, coords: np.ndarray, original_size: tuple[int, int]) -> np.ndarray:
        """Convert points (…, 2), x and y in pixels of the photo, to float64 pixels of the frame."""
        return np.asarray(coords, np.float64) * frame_scale(original_size, self.target_length)

    def apply_boxes(self, boxes: np.ndarray, original_size: tuple[int, int]) -> np.ndarray:
        """Convert boxes (…, 4), x1, y1, x2, y2 in pixels of the photo, to float64 (B, 4) in pixels of the frame."""
        corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
        return self.apply_coords(corners, original_size).reshape(-1, 4)

    def apply_image_torch(self, image: Tensor) -> Tensor:
        """Resize float photos (B, 3, H, W).

        The result is close to that of ``apply_image``, with which the model was trained, but not equal to it.
        """
        size = self.get_preprocess_shape(*image.shape[-2:], self.target_length)
        return interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)

    def apply_coords_torch(self, coords: Tensor, original_size: tuple[int, int]) -> Tensor:
        """Convert points (…, 2), x and y in pixels of the photo, to float32 pixels of the frame on the same device."""
        scale = frame_scale(original_size, self.target_length)
        return coords.float() * torch.tensor(scale, dtype=torch.float32, device=coords.device)

    def apply_boxes_torch(self, boxes: Tensor, original_size: tuple[int, int]) -> Tensor:
        """Convert boxes (…, 4), x1, y1, x2, y2 in pixels of the photo, to float32 (B, 4) in pixels of the frame."""
        return self.apply_coords_torch(boxes.reshape(-1, 2, 2), original_size).reshape(-1, 4)

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        """Return the (height, width) of a photo after its longest side became ``long_side_length``."""
        return resized_size(oldh, oldw, long_side_length)
