"""Compares what a command prints with a *golden text*: a file beside the test that has the expected text.

Each table that a command prints has one golden text. All other tests check the data that the table shows.
"""

import difflib
import re
from pathlib import Path

import pytest

WRITE_OPTION = "--write-golden-texts"


def check_golden_text(
    text: str, path: Path, *, write: bool = False, **volatile: str | re.Pattern
) -> None:
    """Fail with a diff unless ``text`` is what the file has.

    Args:
        text: what was printed.
        path: the file with the expected text.
        write: whether to write ``text`` to the file, so that the comparison passes.
        volatile: name → what differs between runs, machines or versions, as the text itself or as a
            pattern. ``<name>`` stands for it in the file.
    """
    for name, part in volatile.items():
        pattern = part if isinstance(part, re.Pattern) else re.compile(re.escape(part))
        text = pattern.sub(f"<{name}>", text)
    if write:
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    if text == expected:
        return
    lines = difflib.unified_diff(
        expected.splitlines(), text.splitlines(), path.name, "printed", lineterm=""
    )
    pytest.fail(
        "\n".join(
            [
                f"what is printed differs from {path}:",
                "",
                *lines,
                "",
                f"If the new text is right, run this test with {WRITE_OPTION}, and commit the file.",
            ]
        ),
        pytrace=False,
    )
