"""Getting weights by name or from a file, and loading them into a model: all tensors or none."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from reference.common.errors import CheckpointError
from reference.common.plain_text import shorten
from reference.modeling.sam import Sam
from reference.modeling.variants import DemoCheckpoint, Variant
from reference.weights.checkpoint_file import (
    FLOAT_DTYPES,
    checked_tensors,
    first_non_finite,
    no_tensors,
    read_checkpoint,
    read_content,
    sha256_of_file,
)
from reference.weights.checkpoint_source import BUILT_IN, demo_path, require_checkpoint
from reference.weights.download import fetch_official
from reference.weights.official_names import (
    UNUSED_TENSORS,
    TensorLayout,
    is_counter,
    is_unused,
    layout_of,
    official_layout,
    official_name,
    rename_official,
)
from reference.weights.other_models import looks_like
from reference.weights.seeded_weights import seeded_state_dict, state_dict_sha256
from reference.weights.state_dicts import StateDict, find_model, is_dense

__all__ = [
    "BUILT_IN",
    "UNUSED_TENSORS",
    "Checkpoint",
    "load_weights",
    "official_name",
    "read_checkpoint",
    "rename_official",
    "resolve_checkpoint",
]

_INTEGER_DTYPES = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_PIXEL_STATISTICS = ("pixel_mean", "pixel_std")
_NAMES_SHOWN = 5  # tensor names of each kind that an error shows
_NAME_LENGTH = 200  # characters of a name that manifests and errors repeat


@dataclass(frozen=True)
class Checkpoint:
    """Weights under the official names, and where they come from.

    Attributes:
        name: one of ``BUILT_IN``, or the name of the file without its folder.
        sha256: hexadecimal digest of the file, or of the content of the seeded weights.
        trained: whether the weights are trained. The masks of untrained weights mean nothing.
        state_dict: official tensor name → tensor.
        note: how the weights were found in the file, for the user. Empty if the file holds nothing else.
    """

    name: str
    sha256: str
    trained: bool
    state_dict: dict[str, Tensor] = field(repr=False, compare=False)
    note: str = ""


def resolve_checkpoint(source: str | Path, variant: Variant, progress: bool = True) -> Checkpoint:
    """Get the weights that ``source`` names.

    Whether the weights fit the variant is checked by ``load_weights``.

    Args:
        source: ``"demo"``, ``"official"``, ``"seeded"``, or the path of a ``.pt`` or ``.safetensors`` file.
            ``"demo"`` comes with this package (docs/demo-weights.md says how it was trained). ``"official"`` is
            downloaded once into the user's cache. ``"seeded"`` is an untrained initialization that is the same on
            every machine. Official files and those of training scripts are read (docs/conversion.md lists them). Write
            ``./demo`` for a file with one of these names.
        variant: the model variant that the weights are for.
        progress: whether to show a progress bar for the download, on a terminal.

    Raises:
        CheckpointError: the weights cannot be read or downloaded, or the file holds several models that differ.
    """
    require_checkpoint(source, variant)
    if source == "demo":
        return Checkpoint("demo", variant.demo.sha256, True, _bundled_weights(variant.demo))
    if source == "seeded":
        weights = seeded_state_dict(_layout(variant))
        return Checkpoint("seeded", state_dict_sha256(weights), False, weights)
    if source == "official":
        path = fetch_official(variant.official, progress)
        return Checkpoint("official", variant.official.sha256, True, read_checkpoint(path))
    path = Path(source)
    found = _find_weights(path, _layout(variant))
    name = shorten(path.name, _NAME_LENGTH)
    return Checkpoint(name, sha256_of_file(path), True, found.tensors, found.note)


def _find_weights(path: Path, layout: Mapping[str, TensorLayout]) -> StateDict:
    """Return the model of this layout that a file holds, or the closest match if none is complete."""
    content = read_content(path)
    found = find_model(content, [name for name in layout if not is_counter(name)])
    if not found:
        raise no_tensors(path, content)
    if len(found) > 1:
        raise CheckpointError(
            f"'{path}' holds the weights of several models, which differ: "
            f"{' and '.join(model.place or 'the file itself' for model in found)}; save one of them to its "
            f"own file, for example: {_command_to_save(path, max(found, key=_depth))}"
        )
    (model,) = found
    tensors = {name: tensor for name, tensor in model.tensors.items() if _is_kept(name, tensor)}
    return replace(model, tensors=checked_tensors(path, tensors))


def _is_kept(name: str, tensor: Tensor) -> bool:
    """Return whether to keep a tensor.

    Counters in files may have any type and shape, and tensors that the model never reads may contain NaN.
    """
    if is_counter(name):
        return is_dense(tensor) and tensor.dim() == 0 and tensor.dtype in _INTEGER_DTYPES
    return not is_unused(name)


def _depth(model: StateDict) -> tuple[int, bool]:
    """Return how deep inside the file a model lies. The outermost one cannot be saved without the others."""
    return len(model.keys), bool(model.prefix)


def _command_to_save(path: Path, model: StateDict) -> str:
    """Return a shell command that writes one of the models in a file to its own file."""
    content = f"read_content({_python(str(path))})" + "".join(f"[{_python(k)}]" for k in model.keys)
    if model.prefix:
        prefix = _python(model.prefix)
        content = f"{{k: v for k, v in {content}.items() if k.startswith({prefix})}}"
    code = (
        "import torch; from reference.weights.checkpoint_file import read_content; "
        f'torch.save({content}, "weights.pt")'
    )
    return f"python -c {shlex.quote(code)}"


def _python(text: str) -> str:
    """Quote a text for Python with double quotes, since the shell command uses single quotes."""
    return json.dumps(text)


def _bundled_weights(demo: DemoCheckpoint) -> dict[str, Tensor]:
    path = demo_path(demo)
    weights = read_checkpoint(path)
    digest = sha256_of_file(path)
    if digest != demo.sha256:
        raise CheckpointError(
            f"'{path}' is damaged: expected SHA-256 {demo.sha256}, found {digest}: install again"
        )
    return weights


def load_weights(
    sam: nn.Module, state_dict: Mapping[str, Tensor], name: str = "the checkpoint"
) -> None:
    """Copy official tensors into ``sam``. On an error, nothing is copied.

    Every tensor of ``sam`` must be present in its exact shape. The counters of batch normalizations may be missing and
    then start at zero. Further tensors are refused, except those that the model does not use (``is_unused``) and pixel
    statistics that equal the model's own. Floats of 16, 32 or 64 bits and integers of any width are converted to the
    dtype of the model.

    Args:
        sam: the model.
        state_dict: official tensor name → tensor.
        name: the name of the weights in error messages.

    Raises:
        CheckpointError: the weights do not fit. The message names the tensors at fault, or says which other model the
            weights look like.
    """
    expected = official_layout(sam)
    given = {
        key: tensor
        for key, tensor in state_dict.items()
        if not is_unused(key) and not _is_normalization(key, tensor, sam)
    }
    problems = _problems(expected, layout_of(given))
    if problems:
        recognized = looks_like(layout_of(given), expected)
        raise CheckpointError(
            f"{name} does not fit the model: it looks like {recognized}"
            if recognized is not None
            else f"{name} does not fit the model: {'; '.join(problems)}; expected the tensors of the "
            "official MobileSAM checkpoint"
        )
    counters = {key: torch.zeros((), dtype=torch.int64) for key in expected if is_counter(key)}
    converted = {key: tensor.to(expected[key].dtype) for key, tensor in given.items()}
    overflowed = first_non_finite(converted)
    if overflowed is not None:
        raise CheckpointError(
            f"{name} holds a value in '{overflowed}' that is not finite as "
            f"{expected[overflowed].dtype}: the weights are unusable; take an earlier checkpoint"
        )
    loaded = {rename_official(key): tensor for key, tensor in (counters | converted).items()}
    sam.load_state_dict(loaded)
    sam.train(sam.training)  # drops the attention biases of the old weights, which timm caches


def _is_normalization(key: str, tensor: Tensor, sam: nn.Module) -> bool:
    """Return whether a tensor is the pixel mean or standard deviation that the model already has."""
    if key not in _PIXEL_STATISTICS:
        return False
    found, own = (each.detach().float().cpu().flatten() for each in (tensor, getattr(sam, key)))
    return found.shape == own.shape and torch.allclose(found, own, rtol=1e-3)


@cache
def _layout(variant: Variant) -> dict[str, TensorLayout]:
    """Return the official names, shapes and dtypes of all tensors that a model of this variant needs."""
    with torch.device("meta"):  # shapes only: this takes no memory and no initialization
        return official_layout(Sam(variant))


def _problems(expected: Mapping[str, TensorLayout], given: Mapping[str, TensorLayout]) -> list[str]:
    """Describe what keeps ``given`` from being loaded as ``expected``; empty if it can be loaded."""
    shared = [key for key in expected if key in given]
    misshapen = [
        f"{key} {given[key].shape} instead of {expected[key].shape}"
        for key in shared
        if given[key].shape != expected[key].shape
    ]
    mistyped = [
        f"{key} {given[key].dtype} instead of {expected[key].dtype}"
        for key in shared
        if not _convertible(given[key].dtype, expected[key].dtype)
    ]
    kinds = {
        "missing": [key for key in expected if key not in given and not is_counter(key)],
        "surplus": [key for key in given if key not in expected],
        "of the wrong shape": misshapen,
        "of the wrong type": mistyped,
    }
    return [_summary(kind, entries) for kind, entries in kinds.items() if entries]


def _convertible(given: torch.dtype, expected: torch.dtype) -> bool:
    return given in (FLOAT_DTYPES if expected.is_floating_point else _INTEGER_DTYPES)


def _summary(kind: str, entries: list[str]) -> str:
    """Summarize tensors in words, such as ``12 tensors missing (a, b, c, d, e and 7 more)``."""
    shown = ", ".join(shorten(entry, _NAME_LENGTH) for entry in entries[:_NAMES_SHOWN])
    rest = len(entries) - _NAMES_SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return f"{len(entries)} tensor{'s' if len(entries) > 1 else ''} {kind} ({shown}{more})"
