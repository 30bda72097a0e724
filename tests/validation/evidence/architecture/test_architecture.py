"""The picture of docs/architecture.md shows the imports as they are, and the files that pages name exist."""

import re
import subprocess
from pathlib import Path

import pytest

from validation.evidence.architecture.cli import PAGE
from validation.evidence.architecture.diagram import (
    House,
    diagram_of,
    read_house,
    words_per_sentence,
)
from validation.evidence.page import CHECKOUT

HOUSE = House(
    {"top": (("top.a",), ("top.b", "top.c")), "low": (("low.d",),)},
    frozenset({("top.a", "top.b"), ("top.b", "low.d"), ("top.a", "low.d"), ("top.c", "low.d")}),
)


def test_arrows_that_others_imply_are_left_out():
    lines = diagram_of(HOUSE)
    assert "  top_a --> top_b" in lines
    assert "  top_b --> low_d" in lines
    assert "  top_a --> low_d" not in lines


@pytest.mark.parametrize("arrow", [("low.d", "top.a"), ("top.b", "top.c"), ("top.b", "top.a")])
def test_arrows_up_are_found(arrow):
    house = House(HOUSE.floors, HOUSE.arrows | {arrow})
    assert HOUSE.arrows_up == []
    assert house.arrows_up == [arrow]


def test_the_picture_is_of_this_checkout():
    """If this fails, run python -m validation.evidence.architecture."""
    house = read_house()
    assert house.arrows_up == []
    assert "\n".join(diagram_of(house)) in PAGE.read_text()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("Two words.", 2),
        ("One two three. Four five!\n\nSix", 2),
        ("# A title that does not count\n\nThree words here.\n\n| a | table |\n", 3),
        ("Three words here.\n```sh\na block of code. that does not count\n```\n", 3),
        ("See [the page](a/b.md), or `a long command`.", 5),
        ("- an item\n- another item\n", 2),
        ("It's well-known: version 1.5 is one.", 7),
    ],
)
def test_words_per_sentence_leave_out_titles_tables_and_code(page, words):
    assert words_per_sentence([page]) == words


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    return [CHECKOUT / name for name in listed.stdout.split()]


def test_files_that_pages_name_exist():
    missing = [
        (page.name, name)
        for page in pages()
        for name in re.findall(
            r"(?<![\w./-])((?:reference|converters|validation)/[\w/.-]*\w)",
            page.read_text(),
        )
        if not (CHECKOUT / name).exists()
    ]
    assert missing == []
