"""Finding the weights of a model inside the content of a checkpoint file."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from reference.common.plain_text import quote
from reference.weights.official_names import has_no_effect, official_name
from reference.weights.transformers_names import from_transformers, is_transformers_name

MAX_DEPTH = 5  # nested dicts that are searched; training scripts use two or three
_LEFT_OUT_SHOWN = 5  # left-out names that a note shows

# Prefixes that wrapping modules add to tensor names: data parallelism, torch.compile, FSDP and activation
# checkpointing. No module of the model has such a name.
_WRAPPERS = re.compile(r"\b(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# The first component of every tensor name in a Segment Anything model. Text before it is a prefix.
_PARTS = ("image_encoder", "vision_encoder", "prompt_encoder", "mask_decoder")
_PART = re.compile(
    rf"(?:^|(?<=\.))(?:(?:{'|'.join(_PARTS)}|shared_image_embedding)\.|pixel_(?:mean|std)$)"
)


Key = str | int  # key of a dict, or index of a list


@dataclass(frozen=True)
class StateDict:
    """Named tensors, and where they were found in a file.

    Attributes:
        tensors: tensors of one dict, or of one model in that dict.
        keys: dict keys and list indices that lead to the tensors. Empty if the file itself is the dict.
        prefix: prefix of their names in that dict, such as ``model.``.
        naming: the origin of their former names, such as "transformers'", if they were renamed to the official ones.
        left_out: other entries of the file.
    """

    tensors: dict[str, Tensor] = field(repr=False)
    keys: tuple[Key, ...] = ()
    prefix: str = ""
    naming: str | None = None
    left_out: tuple[Key, ...] = ()

    @property
    def place(self) -> str:
        """The place of the tensors, such as ``['ema']['module'], prefix 'sam.'``; empty for the file itself."""
        keys = "".join(f"[{quote(key)}]" for key in self.keys)
        return ", ".join(filter(None, (keys, self.prefix and f"prefix {quote(self.prefix)}")))

    @property
    def note(self) -> str:
        """Describe for the user how the tensors were found and renamed; empty if the file holds them directly."""
        shown = ", ".join(map(quote, self.left_out[:_LEFT_OUT_SHOWN]))
        rest = len(self.left_out) - _LEFT_OUT_SHOWN
        parts = (
            self.place and f"found at {self.place}",
            self.naming and f"renamed from {self.naming} names",
            self.left_out and f"left out: {shown}" + (f" and {rest} more" if rest > 0 else ""),
        )
        return "; ".join(filter(None, parts))


def state_dicts(content: object) -> list[StateDict]:
    """Return every dict with named tensors in ``content``, down to ``MAX_DEPTH`` nested dicts or lists.

    ``tensors`` are the tensors directly in that dict. Its other entries are skipped.
    """
    return list(_state_dicts(content, (), set()))


def find_model(content: object, needed: Collection[str]) -> list[StateDict]:
    """Return the models in ``content`` that have all the tensors of ``needed``, under the official names.

    Prefixes of wrapping modules and of the model are removed from the names, and models with different prefixes are
    kept apart. A tensor that belongs to no part of a model stays with the model without a prefix, where it may matter.
    Single numbers, such as counters, are exempt.

    Returns:
        One model; or several, if they differ and the intended one is unknown; or, if no model is complete, the dict or
        model with the most needed tensors.
    """
    found = state_dicts(content)
    models = [model for each in found for model in _models(each)]
    complete: list[StateDict] = []
    for model in models:
        is_complete = all(name in model.tensors for name in needed)
        if is_complete and not any(_is_same(model, other) for other in complete):
            complete.append(model)
    if complete:
        return [replace(model, left_out=_left_out(content, model)) for model in complete]
    candidates = [*models, *found]
    return [max(candidates, key=lambda each: _rank(each, needed))] if candidates else []


def _state_dicts(content: object, keys: tuple[Key, ...], seen: set[int]) -> Iterator[StateDict]:
    entries = _entries(content)
    if not entries or len(keys) > MAX_DEPTH or id(content) in seen:
        return
    seen.add(id(content))
    tensors = _tensors(content) if isinstance(content, Mapping) else {}
    if tensors:
        yield StateDict(tensors, keys)
    for key, value in entries:
        yield from _state_dicts(value, (*keys, key), seen)


def _entries(content: object) -> list[tuple[Key, object]]:
    """Return the entries of a dict or a list, by key or index; none for other objects.

    Numeric keys are skipped, because the states of optimizers have them: one dict of tensors per parameter.
    """
    if isinstance(content, list | tuple):
        return list(enumerate(content))
    if isinstance(content, Mapping):
        return [(key, value) for key, value in content.items() if isinstance(key, str)]
    return []


def _tensors(mapping: Mapping) -> dict[str, Tensor]:
    """Return the named tensors of a dict, and of the dicts of model parts in it."""
    return {
        name: value
        for name, value in {**mapping, **_parts_apart(mapping)}.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _parts_apart(mapping: Mapping) -> dict[str, object]:
    """Return the entries of the dicts of model parts under their full names, for files that save each part apart."""
    return {
        f"{part}.{name}": value
        for part in _PARTS
        if isinstance(mapping.get(part), Mapping)
        for name, value in mapping[part].items()
    }


def is_dense(tensor: Tensor) -> bool:
    """Return whether a tensor is dense: not sparse, nested, quantized or without data."""
    is_odd = tensor.is_quantized or tensor.is_meta or tensor.is_nested
    return tensor.layout == torch.strided and not is_odd


def _models(found: StateDict) -> Iterator[StateDict]:
    """Yield the models of one dict: one for each prefix before the name of a part."""
    by_prefix: dict[str, dict[str, Tensor]] = {}
    for name, tensor in found.tensors.items():
        prefix = _prefix(name)
        if prefix is None and tensor.dim() > 0:
            prefix = ""
        if prefix is not None:
            by_prefix.setdefault(prefix, {})[name.removeprefix(prefix)] = tensor
    for prefix, tensors in by_prefix.items():
        official, naming = _officially_named(tensors)
        yield StateDict(official, found.keys, prefix, naming)


def _prefix(name: str) -> str | None:
    """Return the text before the model part in a tensor's name; None if the name has no part."""
    part = _PART.search(name)
    return None if part is None else name[: part.start()]


def _left_out(content: object, model: StateDict) -> tuple[Key, ...]:
    """Return the other entries in the dict of a model and in the dicts around it, outermost first."""
    names: list[Key] = []
    for key in model.keys:
        names += [name for name, _ in _entries(content) if name != key]
        content = content[key]
    for name, value in content.items():
        if not isinstance(name, str) or name in _PARTS:
            continue
        prefix = _prefix(name) if isinstance(value, Tensor) else None
        if prefix is None:
            names.append(name)
        elif prefix != model.prefix:
            names.append(f"{prefix}…")
    return tuple(dict.fromkeys(names))


def _officially_named(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str | None]:
    """Return the tensors under the official names, and the origin of their former names (None if unchanged)."""
    is_transformers = any(map(is_transformers_name, tensors))
    named: dict[str, Tensor] = {}
    is_ours = False
    for name, tensor in tensors.items():
        bare = _WRAPPERS.sub("", name)
        bare = from_transformers(bare) if is_transformers else bare
        official = official_name(bare)
        is_ours |= official != bare
        if official in named and not _is_equal(named[official], tensor):
            # Keep the second tensor of this name under its own name: loading refuses it as surplus.
            official = name
        named[official] = tensor
    if is_transformers:
        return named, "transformers'"
    return named, "this project's" if is_ours else None


def _is_same(model: StateDict, other: StateDict) -> bool:
    """Return whether two models compute the same."""
    tensors, others = (
        {name: tensor for name, tensor in each.tensors.items() if not has_no_effect(name)}
        for each in (model, other)
    )
    return tensors.keys() == others.keys() and all(
        _is_equal(tensor, others[name]) for name, tensor in tensors.items()
    )


def _is_equal(tensor: Tensor, other: Tensor) -> bool:
    comparable = is_dense(tensor) and is_dense(other) and tensor.dtype == other.dtype
    return comparable and torch.equal(tensor, other)


def _rank(found: StateDict, needed: Collection[str]) -> tuple[int, int]:
    """Rank how much a dict looks like a model: by its needed tensors, then by its number of tensors."""
    return sum(name in found.tensors for name in needed), len(found.tensors)
