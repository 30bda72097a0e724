"""The ``seeded`` checkpoint: untrained weights that are the same on every machine.

Every tensor is filled by a generator that is seeded with the tensor's official name. Its numbers therefore depend
neither on the order nor on the presence of other tensors. The values vary enough that a transposed weight, a dropped
bias or a swapped name changes the masks. They are scaled (variance 1/fan-in) so that no softmax saturates. Float32
rounding then moves a mask logit by about 1e-5, so comparing two implementations separates a mistake from noise.
tests/data/parity/goldens_conditioned.npz holds the answers of the original implementation with these weights.
"""

import hashlib
import math
import re
import zlib
from collections.abc import Mapping

import numpy as np
import torch

from reference.weights.official_names import TensorLayout

# Names of learned vectors, as opposed to kernels of linear layers and convolutions.
_EMBEDDING = re.compile(
    r"\.(point_embeddings\.\d|not_a_point_embed|no_mask_embed|iou_token|mask_tokens)\."
)


def seeded_state_dict(layout: Mapping[str, TensorLayout]) -> dict[str, torch.Tensor]:
    """Return a tensor of the given shape and dtype for every official name in ``layout``."""
    return {
        # np.asarray keeps a scalar (the counter of a batch normalization) an array of shape ().
        name: torch.from_numpy(np.asarray(_values(name, shape, dtype))).to(dtype)
        for name, (shape, dtype) in layout.items()
    }


def _values(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> np.ndarray:
    """Return the numbers of one tensor in float64, or int64 zeros for a counter."""
    if not dtype.is_floating_point:
        return np.zeros(shape, np.int64)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return rng.uniform(0.5, 1.5, shape)
    if leaf == "attention_biases":
        return rng.normal(0.0, 0.5, shape)
    if leaf == "positional_encoding_gaussian_matrix":
        return rng.normal(0.0, 1.0, shape)
    if leaf in ("bias", "running_mean"):
        return rng.normal(0.0, 0.1, shape)
    if len(shape) == 1:  # the weight of a normalization layer
        return rng.uniform(0.7, 1.3, shape)
    if _EMBEDDING.search(name):
        return rng.normal(0.0, 0.5, shape)
    fan_in = math.prod(shape[1:])
    return rng.normal(0.0, fan_in**-0.5, shape)


def state_dict_sha256(state_dict: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 digest, in hexadecimal, of names, dtypes, shapes and little-endian bytes sorted by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state_dict.items()):
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
