"""Links from pages to files, folders and headings of this checkout lead somewhere, as on a code host."""

from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

from tests.support.pages import CHECKOUT, page_paths

PAGES = {path.relative_to(CHECKOUT).as_posix(): path for path in page_paths()}
MARKDOWN = MarkdownIt("commonmark").enable("table").use(anchors_plugin, max_level=6)


@cache
def tokens(path: Path) -> list[Token]:
    return MARKDOWN.parse(path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings."""
    return {token.attrs["id"] for token in tokens(path) if token.type == "heading_open"}


def targets(path: Path) -> list[str]:
    """Where a page's links lead and its pictures come from, addresses of the web apart."""
    inside = [child for token in tokens(path) for child in token.children or []]
    found = [str(token.attrs.get("href") or token.attrs.get("src") or "") for token in inside]
    return [target for target in found if target and "://" not in target]


def problem(page: Path, target: str) -> str | None:
    """Why a link does not work; None: it does."""
    name, _, anchor = unquote(target).partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.is_relative_to(CHECKOUT) or not path.exists():
        return f"{target}: no such file"
    if anchor and anchor not in anchors(path):
        return f"{target}: no such heading"
    return None


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    problems = [problem(PAGES[name], target) for target in targets(PAGES[name])]
    assert [text for text in problems if text] == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("docs/commands.md#exit-status", None),
        ("docs", None),
        ("docs/no_such_page.md", "docs/no_such_page.md: no such file"),
        ("docs/commands.md#no-such-heading", "docs/commands.md#no-such-heading: no such heading"),
        ("../elsewhere.md", "../elsewhere.md: no such file"),
    ],
)
def test_a_broken_link_would_be_found(target, expected):
    assert problem(PAGES["README.md"], target) == expected
