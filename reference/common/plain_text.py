"""Text that may be anybody's, made fit to be shown: in one line, short, and without effect on what shows it.

A name in a document or of a file may hold line ends, a terminal's control sequences, and marks that turn the
direction of writing: shown as they are, they could forge a line such as a verdict. Whatever shows text escapes it here.
"""

import contextlib
import sys
import unicodedata

QUOTED_LENGTH = 60  # characters of a bad value that an error message repeats
LINE_LENGTH = 1000  # characters of a line in a terminal

# Control characters; those that format and show nothing, such as zero-width and bidirectional ones; halves of
# surrogate pairs; and separators of lines and paragraphs.
_UNPLAIN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def is_plain(text: str) -> bool:
    """Whether a text shows as it is, in one line, without a character that is invisible or controls something."""
    return text.isprintable() or not any(map(_is_unplain, text))


def escape(text: str) -> str:
    r"""The text with what ``is_plain`` does not allow as Python writes it: ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _is_unplain(character) else character
        for character in text
    )


def shorten(text: str, length: int = QUOTED_LENGTH) -> str:
    """The text escaped, and its end left out from ``length`` characters on."""
    shown = escape(text[: length + 1])
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def quote(value: object, length: int = QUOTED_LENGTH) -> str:
    """A bad value for an error message, as Python writes it, in at most ``length`` characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits, or lists nested too deep
        return f"a value of type {type(value).__name__} that is too large to be shown"
    if "\n" in text:  # an array's rows
        text = " ".join(text.split())
    return shorten(text, length)


def as_line(text: str) -> str:
    """The text escaped, as one line of a terminal; of a very long one the middle is left out."""
    shown = escape(text)
    if len(shown) <= LINE_LENGTH:
        return shown
    half = LINE_LENGTH // 2
    return f"{shown[:half]} … {shown[-half:]}"


def tell(text: str) -> None:
    """Say it on stderr, in one line; if that is closed or full, there is nobody to tell."""
    with contextlib.suppress(OSError):
        print(as_line(text), file=sys.stderr, flush=True)


def _is_unplain(character: str) -> bool:
    return unicodedata.category(character) in _UNPLAIN
