"""Lists the entries of a manifest that an app relies on."""

import json
from collections.abc import Iterator

from converters.artifact_layout import COMPONENTS
from reference.common.plain_text import shorten
from validation.regression.record import LARGEST, Entry

# Keys that are left out at every level: prose, how weights are stored, and what the baseline keeps
# elsewhere (sizes, operators).
_LEFT_OUT = {"meaning", "range", "summary", "bytes", "operators", "weights"}
_NOT_RELIED_ON = {"model", "format", "scheme", "calibration", "files", "tools", "goldens"}
_MOST_CHARACTERS = 200  # in one value


def manifest_entries(manifest: dict) -> dict[str, Entry]:
    """Return entry → value. Names of entries have dots between levels.

    A list becomes one text. If the items of a list have names, each item becomes an entry.
    """
    document = {key: value for key, value in manifest.items() if key not in _NOT_RELIED_ON}
    document["checkpoint"] = {
        key: value for key, value in manifest["checkpoint"].items() if key != "name"
    }
    return dict(_leaves(document, ""))


def operators(manifest: dict) -> dict[str, tuple[str, ...]]:
    """Return component → the operators that its runtime needs, sorted."""
    return {
        component: tuple(sorted(map(_text, _list(manifest["components"][component]))))
        for component in COMPONENTS
    }


def tools(manifest: dict) -> dict[str, str]:
    """Return package → version, for the packages that made the artifact."""
    versions = manifest.get("tools")
    items = versions.items() if isinstance(versions, dict) else ()
    return {_text(tool): _text(version) for tool, version in items}


def _list(component: dict) -> list:
    names = component.get("operators")
    return names if isinstance(names, list) else []


def _leaves(value: object, place: str) -> Iterator[tuple[str, Entry]]:
    if isinstance(value, list) and value and all(_is_named(item) for item in value):
        # The names are an entry as well, because their order matters.
        yield place, _text(", ".join(item["name"] for item in value))
        value = {item["name"]: {k: v for k, v in item.items() if k != "name"} for item in value}
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in _LEFT_OUT:
                yield from _leaves(item, _text(f"{place}.{key}" if place else key))
    elif value is None or (isinstance(value, bool | int | float) and abs(value) <= LARGEST):
        yield place, value
    else:
        yield place, _text(value if isinstance(value, str) else json.dumps(value))


def _is_named(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)


def _text(value: object) -> str:
    """Return a value as one short line without control characters."""
    text = str(value)
    return shorten(text if text.strip() else repr(text), _MOST_CHARACTERS)
