"""Escaping of untrusted text, so that it is shown in one short line and has no effect on the terminal.

File names, and names inside documents, may contain line ends, control sequences of terminals, and marks that reverse
the writing direction. Shown unchanged, they could forge a line such as a verdict. All code that shows such text escapes
it with these functions.
"""

import contextlib
import sys
import unicodedata

QUOTED_LENGTH = 60  # characters of a bad value that an error message repeats
LINE_LENGTH = 1000  # characters of a line in a terminal

# Unicode categories: control characters, invisible format characters (such as zero-width and bidirectional ones),
# halves of surrogate pairs, and separators of lines and paragraphs.
_UNPLAIN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def is_plain(text: str) -> bool:
    """Return whether a text is one line without invisible characters and control characters."""
    return text.isprintable() or not any(map(_is_unplain, text))


def escape(text: str) -> str:
    r"""Replace characters that ``is_plain`` does not allow by Python escapes: ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _is_unplain(character) else character
        for character in text
    )


def shorten(text: str, length: int = QUOTED_LENGTH) -> str:
    """Escape a text and cut it to at most ``length`` characters."""
    shown = escape(text[: length + 1])
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def quote(value: object, length: int = QUOTED_LENGTH) -> str:
    """Return the ``repr`` of a bad value, for an error message, in at most ``length`` characters."""
    try:
        text = repr(value)
    # An integer with too many digits, or lists nested too deeply.
    except (ValueError, RecursionError):
        return f"a value of type {type(value).__name__} that is too large to be shown"
    if "\n" in text:  # the rows of an array
        text = " ".join(text.split())
    return shorten(text, length)


def as_line(text: str) -> str:
    """Escape a text to one line for a terminal. The middle of a very long text is left out."""
    shown = escape(text)
    if len(shown) <= LINE_LENGTH:
        return shown
    half = LINE_LENGTH // 2
    return f"{shown[:half]} … {shown[-half:]}"


def tell(text: str) -> None:
    """Print a text on stderr in one line. Nothing happens if stderr is closed or full."""
    with contextlib.suppress(OSError):
        print(as_line(text), file=sys.stderr, flush=True)


def _is_unplain(character: str) -> bool:
    return unicodedata.category(character) in _UNPLAIN
