"""Arguments that are one item or several."""

from collections.abc import Iterable
from os import PathLike
from typing import Any


def one_or_more(items: Any) -> list[Any]:
    """Return one item, or an iterable of items, as a list.

    A text or a path is one item, although a text is an iterable of its characters.
    """
    if isinstance(items, str | PathLike) or not isinstance(items, Iterable):
        return [items]
    return list(items)
