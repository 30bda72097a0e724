"""Text from anywhere is made safe to show in a terminal."""

import sys
import unicodedata

import numpy as np
import pytest

from reference.common.plain_text import as_line, escape, is_plain, quote, shorten

HOSTILE = {
    "line end": "a\nPASS: 37 of 37",
    "carriage return": "FAIL\rPASS",
    "terminal sequence": "\x1b[2J",
    "sequence of one character": "\x9b2J",
    "delete": "\x7f",
    "null": "\0",
    "bidirectional override": "\u202egpj.exe",
    "bidirectional isolate": "\u2066a\u2069",
    "zero width": "pass\u200bword",
    "byte order mark": "\ufeffa",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "surrogate": "\ud800",
    "byte that is no UTF-8": b"\xff.jpg".decode("utf-8", "surrogateescape"),
    "tag": "\U000e0041",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_shown_escaped(text):
    assert not is_plain(text)
    for shown in (escape(text), shorten(text), as_line(text), quote(text), quote([text])):
        assert is_plain(shown)
        shown.encode("utf-8")
        assert "\\" in shown


@pytest.mark.parametrize(
    "text", ["", "one point", "caf\u00e9", "\u6f22\u3000\u5b57", "a\u202fb", "\u2764\ufe0f", "\\n"]
)
def test_names_in_any_writing_are_shown_as_they_are(text):
    assert is_plain(text)
    assert escape(text) == shorten(text) == as_line(text) == text


def test_every_character_is_plain_or_escaped_to_what_is():
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        invisible = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        assert is_plain(character) is not invisible
        if invisible:
            assert escape(character).isascii()
            assert escape(character).isprintable()


def test_long_texts_are_shortened():
    assert shorten("a" * 60) == "a" * 60
    assert shorten("a" * 61) == "a" * 59 + "…"
    assert shorten("\n" * 1000) == (r"\n" * 30)[:59] + "…"
    assert len(quote(["a" * 1000])) == 60
    assert len(as_line("a" * 10**6)) < 1100


def test_values_that_python_cannot_write_are_named_by_type():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    assert "list" in quote(nested)
    assert "int" in quote(10**5000)


def test_rows_of_an_array_are_quoted_in_one_line():
    assert quote(np.eye(2)) == "array([[1., 0.], [0., 1.]])"
