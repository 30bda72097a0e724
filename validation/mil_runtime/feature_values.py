"""Converts the values of features between users and programs, and checks them.

Numbers are converted to the described type. Pictures are PIL images.
"""

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from validation.mil_runtime.errors import InputError, ModelError
from validation.mil_runtime.flexible_shapes import describe_misfit, fits, require_together
from validation.mil_runtime.model.feature_description import (
    ArrayFeature,
    Description,
    Feature,
    ImageFeature,
    OtherFeature,
)
from validation.mil_runtime.model.value_types import TensorType
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.registry import StateCell, TensorList


def read_inputs(data: object, description: Description) -> dict[str, np.ndarray]:
    """Convert a user's values to arrays of the described types. Missing inputs get their defaults.

    Raises:
        InputError: ``data`` is not a dict, has an unknown name, lacks an input without a default, or
            has a value that does not fit its description.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"a {type(data).__name__}: expected a dict of {description}")
    unknown = data.keys() - description.inputs.keys()
    if unknown:
        raise InputError(
            f"input {', '.join(sorted(map(repr, unknown)))}: the model takes {description}"
        )
    arrays = {
        name: _read_input(data[name], feature) if name in data else _default(feature)
        for name, feature in description.inputs.items()
    }
    require_together(
        {name: feature.shape_of(arrays[name]) for name, feature in description.inputs.items()},
        {name: feature.shapes for name, feature in description.inputs.items()},
    )
    return arrays


def read_numbers(value: object, what: str, expected: str) -> np.ndarray:
    """Convert a user's value to an array of numbers.

    Raises:
        InputError: the value is not an array of numbers. The message begins with ``what``.
    """
    try:
        if isinstance(value, Tensor):
            value = value.detach().cpu()
            value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        array = np.asarray(value)
    except (
        ValueError,
        TypeError,
        RuntimeError,
        OverflowError,
    ) as error:  # for example a ragged list
        raise InputError(f"{what}: is not an array ({error}), expected {expected}") from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what}: of type {array.dtype}, expected {expected}")
    return array


def to_program(array: np.ndarray, declared: TensorType, numerics: Numerics) -> Tensor:
    """Convert an input's values to the type that holds them in the program."""
    if declared.shape == ():
        # Core ML has no scalar inputs, so the description has the shape [1].
        array = array.reshape(())
    # The copy protects the program from later changes that the caller makes to the array.
    return torch.from_numpy(_converted(array, _numpy_of(numerics.held_in(declared.dtype))))


def from_program(value: object, feature: Feature | None, numerics: Numerics) -> object:
    """Convert a value for the caller, who owns it: an array, a picture, a label, or a list of them."""
    if isinstance(value, StateCell):
        value = value.value
    if isinstance(value, TensorList):
        value = list(value.elements)
    if isinstance(value, list):
        return [from_program(item, None, numerics) for item in value]
    if not isinstance(value, Tensor):
        return value
    if isinstance(feature, ImageFeature):
        return _write_picture(value, feature)
    if isinstance(feature, OtherFeature):  # a label that is a number
        return value.item()
    array = value.numpy()
    if feature is None:
        return array.copy()
    array = array.reshape(1) if array.ndim == 0 else array
    exact = feature.dtype.is_float and not numerics.rounds
    return _converted(array, array.dtype if exact else feature.dtype.numpy)


def _read_input(value: object, feature: ArrayFeature | ImageFeature) -> np.ndarray:
    if isinstance(feature, ImageFeature):
        return _read_picture(value, feature)
    return _read_array(value, feature)


def _default(feature: ArrayFeature | ImageFeature) -> np.ndarray:
    if feature.default is None:
        raise InputError(f"input '{feature.name}' is missing: expected {feature}")
    return np.full(feature.default_shape, feature.default, feature.dtype.numpy)


def _read_array(value: object, feature: ArrayFeature) -> np.ndarray:
    """Convert a user's value to an array of the described type.

    Raises:
        InputError: the value does not fit the description.
    """
    array = read_numbers(value, f"input '{feature.name}'", str(feature))
    if feature.shapes and not fits(array.shape, feature.shapes):
        raise InputError(
            f"input '{feature.name}': {describe_misfit(array.shape, feature.shapes)}, expected {feature}"
        )
    if feature.dtype.is_float:
        return array
    bounds = np.iinfo(feature.dtype.numpy)
    exact = array.dtype.kind in "iub" or bool(np.all(np.floor(array) == array))
    if not exact or (array.size and (array.min() < bounds.min or array.max() > bounds.max)):
        raise InputError(
            f"input '{feature.name}': has values that {feature.dtype.name} cannot hold, "
            f"expected {feature}"
        )
    return array


def _read_picture(value: object, feature: ImageFeature) -> np.ndarray:
    """Convert a picture, or a uint8 array (H, W, 3) or (H, W), to an array (1, C, H, W)."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        value = _as_picture(value, feature)
    if not isinstance(value, Image.Image):
        raise InputError(f"input '{feature.name}': a {type(value).__name__}, expected {feature}")
    if value.mode != feature.mode or not fits((value.height, value.width), feature.shapes):
        raise InputError(
            f"input '{feature.name}': a picture of mode {value.mode}, (height, width) "
            f"[{value.height}, {value.width}], expected {feature}"
        )
    pixels = _decoded(value, feature)
    if pixels.ndim == 2:
        return pixels[None, None]  # (H, W) → (1, 1, H, W)
    channels = pixels[..., ::-1] if feature.reversed else pixels
    return channels.transpose(2, 0, 1)[None]  # (H, W, C) → (1, C, H, W)


def _decoded(picture: Image.Image, feature: ImageFeature) -> np.ndarray:
    """Return the pixels of a picture, which Pillow may read from its file only at this point."""
    try:
        return np.asarray(picture)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly any exception for a damaged file
        raise InputError(
            f"input '{feature.name}': a picture that cannot be decoded ({error}), expected {feature}"
        ) from error


def _as_picture(array: np.ndarray, feature: ImageFeature) -> Image.Image:
    try:
        return Image.fromarray(array)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"input '{feature.name}': an array of shape {list(array.shape)}, expected {feature}"
        ) from error


def _write_picture(tensor: Tensor, feature: ImageFeature) -> Image.Image:
    """Convert the program's (1, C, H, W) to a picture, rounded to the values of its mode.

    A color picture is opaque RGBA, as coremltools returns it from Core ML.
    """
    if tensor.dim() != 4 or tensor.shape[:2] != (1, feature.channels):
        raise ModelError(
            f"output '{feature.name}': has the shape {list(tensor.shape)}, expected "
            f"[1, {feature.channels}, height, width] for {feature}"
        )
    pixels = tensor[0].float().permute(1, 2, 0).numpy()  # (1, C, H, W) → (H, W, C)
    if feature.mode != "F":
        pixels = np.clip(np.rint(np.nan_to_num(pixels)), 0, 255).astype(np.uint8)
    if feature.mode == "RGB":
        colors = pixels[..., ::-1] if feature.reversed else pixels
        return Image.fromarray(np.pad(colors, [(0, 0), (0, 0), (0, 1)], constant_values=255))
    return Image.fromarray(pixels[..., 0].copy())


def _converted(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Copy an array to another type. Floating-point numbers beyond its range become infinite."""
    with np.errstate(over="ignore"):
        return np.array(array, dtype, order="C")


def _numpy_of(dtype: torch.dtype) -> np.dtype:
    return torch.empty((), dtype=dtype).numpy().dtype
