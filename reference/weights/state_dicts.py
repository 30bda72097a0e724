"""Finding the weights in whatever a training script saved around them."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from reference.common.plain_text import quote
from reference.weights.official_names import has_no_effect, official_name
from reference.weights.transformers_names import from_transformers, is_transformers_name

MAX_DEPTH = 5  # of dicts within dicts; training scripts use two or three
_LEFT_OUT_SHOWN = 5  # names of what was left out, in a note

# Modules that wrap another and show in its names: data parallelism, torch.compile, FSDP, activation
# checkpointing. No module of the model itself is called so.
_WRAPPERS = re.compile(r"\b(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# The first part of every name in a Segment Anything model; what stands before it is a prefix.
_PARTS = ("image_encoder", "vision_encoder", "prompt_encoder", "mask_decoder")
_PART = re.compile(
    rf"(?:^|(?<=\.))(?:(?:{'|'.join(_PARTS)}|shared_image_embedding)\.|pixel_(?:mean|std)$)"
)


Key = str | int  # of a dict, or the place in a list


@dataclass(frozen=True)
class StateDict:
    """Named tensors, and where in a file they are.

    Attributes:
        tensors: of one dict, or of one model in it.
        keys: of the dicts, and places in the lists, that lead to them; none if the file is that dict.
        prefix: what their names in that dict begin with, such as ``model.``.
        naming: whose names they had, if they were renamed to the official ones.
        left_out: what the file holds beside them.
    """

    tensors: dict[str, Tensor] = field(repr=False)
    keys: tuple[Key, ...] = ()
    prefix: str = ""
    naming: str | None = None
    left_out: tuple[Key, ...] = ()

    @property
    def place(self) -> str:
        """Where the tensors are, such as ``['ema']['module'], prefix 'sam.'``; empty for the file itself."""
        keys = "".join(f"[{quote(key)}]" for key in self.keys)
        return ", ".join(filter(None, (keys, self.prefix and f"prefix {quote(self.prefix)}")))

    @property
    def note(self) -> str:
        """What was done to come by the tensors, for the user; empty if nothing was."""
        shown = ", ".join(map(quote, self.left_out[:_LEFT_OUT_SHOWN]))
        rest = len(self.left_out) - _LEFT_OUT_SHOWN
        parts = (
            self.place and f"found at {self.place}",
            self.naming and f"renamed from {self.naming} names",
            self.left_out and f"left out: {shown}" + (f" and {rest} more" if rest > 0 else ""),
        )
        return "; ".join(filter(None, parts))


def state_dicts(content: object) -> list[StateDict]:
    """Every dict in ``content`` that holds named tensors: itself, and at most MAX_DEPTH dicts or lists deep.

    ``tensors`` are those of that very dict; entries of other kinds are passed over.
    """
    return list(_state_dicts(content, (), set()))


def find_model(content: object, needed: Collection[str]) -> list[StateDict]:
    """The models in ``content`` that have all the tensors of ``needed``, under the official names.

    Names are freed of the marks of wrapping modules, and of a prefix; models whose prefixes differ
    are told apart. A tensor that belongs to none of a model's parts stays with the model that has no
    prefix, where it may matter, unless it is a single number, as counters are.

    Returns:
        One model; several if they differ, and which of them is meant cannot be known; or, if none is
        complete, the dict or the model that has most of what is needed.
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
    """What a dict or a list holds, by key or by place; nothing of anything else.

    Keys that are numbers are optimizers', who have a dict of tensors for each parameter.
    """
    if isinstance(content, list | tuple):
        return list(enumerate(content))
    if isinstance(content, Mapping):
        return [(key, value) for key, value in content.items() if isinstance(key, str)]
    return []


def _tensors(mapping: Mapping) -> dict[str, Tensor]:
    """The named tensors of a dict, and of the dicts of a model's parts in it."""
    return {
        name: value
        for name, value in {**mapping, **_parts_apart(mapping)}.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _parts_apart(mapping: Mapping) -> dict[str, object]:
    """What the dicts of a model's parts hold, where each was saved on its own, under the full names."""
    return {
        f"{part}.{name}": value
        for part in _PARTS
        if isinstance(mapping.get(part), Mapping)
        for name, value in mapping[part].items()
    }


def is_dense(tensor: Tensor) -> bool:
    """Whether a tensor holds its numbers one by one: not sparse, nested, quantized or without data."""
    is_odd = tensor.is_quantized or tensor.is_meta or tensor.is_nested
    return tensor.layout == torch.strided and not is_odd


def _models(found: StateDict) -> Iterator[StateDict]:
    """The models of one dict: one for each prefix of a part's name."""
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
    """What stands before the part of a model in a tensor's name; None if it names no part."""
    part = _PART.search(name)
    return None if part is None else name[: part.start()]


def _left_out(content: object, model: StateDict) -> tuple[Key, ...]:
    """What stands beside a model in its dict, and in those around it, outermost first."""
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
    """Tensors under the official names, and whose names they had before; None if these very ones."""
    is_transformers = any(map(is_transformers_name, tensors))
    named: dict[str, Tensor] = {}
    is_ours = False
    for name, tensor in tensors.items():
        bare = _WRAPPERS.sub("", name)
        bare = from_transformers(bare) if is_transformers else bare
        official = official_name(bare)
        is_ours |= official != bare
        if official in named and not _is_equal(named[official], tensor):
            official = name  # two tensors for one: loading refuses what is surplus, by name
        named[official] = tensor
    if is_transformers:
        return named, "transformers'"
    return named, "this project's" if is_ours else None


def _is_same(model: StateDict, other: StateDict) -> bool:
    """Whether two models compute the same."""
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
    """How much of a model a dict looks like: by the names that are needed, then by their number."""
    return sum(name in found.tensors for name in needed), len(found.tensors)
