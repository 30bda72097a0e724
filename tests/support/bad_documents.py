"""Documents that are nearly right: hypothesis draws them by making a few changes to a sound document.

The sound document serves as the grammar. Any value in it may be replaced, left out, renamed, repeated or nested. A new
kind of document therefore needs only a sound example, and no change here.
"""

import copy
import json
import math
import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

HOSTILE_TEXTS = (
    "",
    " ",
    "a\nPASS: 37 of 37 cases passed",
    "\x1b[1A\x1b[2KPASS",
    "\x9b2J",
    "\u202egpj.exe",
    "\u2066a\u2069",
    "a\u200bb",
    "\u2028PASS",
    "\ufeff",
    "\ud800",
    "\udcff",
    "a\0b",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "%s%n{0}",
    "../../../../etc/passwd",
    "/dev/zero",
    "..",
    "a" * 300,
    "a" * 5000,
    "a/" * 2000,
    "\U0001f469\u200d\U0001f4bb.jpg",
    "NaN",
    "1e999",
    "__class__",
)
HOSTILE_NUMBERS = (
    *(0, 1, -1, -0.0, 0.5, 1.5, 255, 256, 2**31, 2**53 + 1, 2**63, 2**64, 10**18 + 1, 10**90),
    *(10**400, 1e-320, 1e300, 1.7976931348623157e308, math.nan, math.inf, -math.inf),
)
# Texts that replace a number in JSON. Python's own writer produces only some of them.
HOSTILE_LITERALS = (
    "1e999",
    "-1e999",
    "1" * 5000,
    f"0.{'3' * 5000}",
    "-",
    "01",
    "0x10",
    "NaN",
    "'a'",
)


def odd_values() -> st.SearchStrategy:
    """Draw anything that JSON can hold: mostly hostile values, or values of an unexpected type."""
    scalars = st.one_of(
        st.sampled_from(HOSTILE_TEXTS),
        st.sampled_from(HOSTILE_NUMBERS),
        st.sampled_from([None, True, False]),
        st.text(max_size=20),
        st.integers(),
        st.floats(),
    )
    containers = st.recursive(
        scalars,
        lambda items: st.one_of(
            st.lists(items, max_size=4),
            st.dictionaries(
                st.sampled_from([*HOSTILE_TEXTS, "name", "file", "size"]), items, max_size=3
            ),
        ),
        max_leaves=6,
    )
    return st.one_of(scalars, containers, st.sampled_from([[], {}, [[]], [0] * 2000]))


@st.composite
def mutated(draw: Callable, document: dict) -> dict:
    """Draw a copy of a document with one to three mistakes."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        if document:
            draw(st.sampled_from(_MUTATIONS))(draw, document, *_place(draw, document))
    return document


def _place(draw: Callable, container: dict | list) -> tuple[dict | list, str | int]:
    """Draw a container inside another one and one of its keys, as often near the top as deep inside."""
    key = draw(
        st.sampled_from(list(container) if isinstance(container, dict) else range(len(container)))
    )
    inner = container[key]
    if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
        return _place(draw, inner)
    return container, key


def _replace(draw: Callable, _document: dict, container: dict | list, key: str | int) -> None:
    container[key] = draw(odd_values())


def _remove(_draw: Callable, _document: dict, container: dict | list, key: str | int) -> None:
    del container[key]


def _rename(draw: Callable, _document: dict, container: dict | list, key: str | int) -> None:
    if isinstance(container, dict):
        container[draw(st.sampled_from([*HOSTILE_TEXTS, *map(str, container)]))] = container.pop(
            key
        )


def _repeat(draw: Callable, _document: dict, container: dict | list, key: str | int) -> None:
    if isinstance(container, list):
        container.extend([container[key]] * draw(st.sampled_from([1, 2, 1100])))


def _wrap(draw: Callable, _document: dict, container: dict | list, key: str | int) -> None:
    for _ in range(draw(st.sampled_from([1, 40]))):
        container[key] = [container[key]]


def _take_from_elsewhere(
    draw: Callable, document: dict, container: dict | list, key: str | int
) -> None:
    other, name = _place(draw, document)
    container[key] = copy.deepcopy(other[name])


_MUTATIONS = (_replace, _replace, _replace, _remove, _rename, _repeat, _wrap, _take_from_elsewhere)


@st.composite
def damaged_text(draw: Callable, text: str, numbers: Sequence[str] = HOSTILE_LITERALS) -> bytes:
    """Draw a damaged text file: cut off, in another encoding, or with a number replaced."""
    kind = draw(
        st.sampled_from(["cut", "encoding", "insert", "number", "number", "nested", "bytes"])
    )
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))].encode()
    if kind == "encoding":
        encoding = draw(
            st.sampled_from(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp037"])
        )
        return text.encode(encoding, "replace")
    if kind == "nested":
        depth = draw(st.sampled_from([29, 40, 900, 100_000]))
        opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}")]))
        return (opening * depth + "1" + closing * depth).encode()
    if kind == "bytes":
        return draw(st.binary(max_size=40)) * draw(st.sampled_from([1, 1, 100_000]))
    if kind == "number":
        places = [match.span() for match in re.finditer(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", text)]
        start, end = draw(st.sampled_from(places or [(0, 0)]))
        return (text[:start] + draw(st.sampled_from(numbers)) + text[end:]).encode()
    place = draw(st.integers(0, len(text)))
    inserted = draw(
        st.sampled_from(["\0", "\x1b", "\n", '"', ",", "}", "[", "\u2028", "\ufeff", "#", "=", "."])
    )
    return (text[:place] + inserted + text[place:]).encode()


def bad_json(document: dict) -> st.SearchStrategy:
    """Draw the bytes of a file that should hold ``document``, usually with a mistake or with damage."""
    text = json.dumps(document, indent=1)
    return st.one_of(
        mutated(document).map(lambda bad: json.dumps(bad).encode()),
        mutated(document).map(
            lambda bad: json.dumps(bad, ensure_ascii=False).encode("utf-8", "surrogatepass")
        ),
        damaged_text(text),
    )


@st.composite
def bad_toml(draw: Callable, tables: Sequence[str], keys: Sequence[str]) -> bytes:
    """Draw a TOML file with known and unknown tables and keys.

    Args:
        tables: names of known tables; "" is the top of the file.
        keys: names of known keys.
    """
    odd_names = [json.dumps(text) for text in HOSTILE_TEXTS] + [
        "",
        "a.b",
        ".",
        "a" * 900,
        "é",
        "min iou",
    ]
    name = st.one_of(st.sampled_from(keys), st.sampled_from(keys), st.sampled_from(odd_names))
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        table = draw(st.one_of(st.sampled_from(tables), st.sampled_from([*tables, *odd_names])))
        if table:
            lines.append(draw(st.sampled_from(["[{}]", "[{}]", "[[{}]]"])).format(table))
        for _ in range(draw(st.integers(0, 3))):
            lines.append(f"{draw(name)} = {draw(st.sampled_from(_TOML_VALUES))}")
    return "\n".join(lines).encode("utf-8", "surrogatepass")


_TOML_VALUES = (
    *(
        "0",
        "1",
        "0.5",
        "-5",
        "1.5",
        "300",
        "inf",
        "-inf",
        "nan",
        "true",
        "1e999",
        "1" * 400,
        "1" * 5000,
    ),
    *(
        "0x10",
        "''",
        '"a\\nPASS"',
        '"\\u001b[2J"',
        "[]",
        "[1, 2]",
        "{a = 1}",
        "2026-01-01",
        "[" * 400,
        "",
        "=",
        "1 # é",
    ),
)
