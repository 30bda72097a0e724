"""The Markdown pages of this checkout, and the commands in their fenced blocks."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# A fence with its language and its content.
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<content>.*?)^ *```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Line:
    """A command on a page, with its comment. Lines that end in a backslash are joined."""

    page: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.number}: {self.text}"


def page_paths() -> list[Path]:
    """Return the pages of the checkout, including those that are not committed yet."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return [CHECKOUT / name for name in sorted(set(names)) if (CHECKOUT / name).is_file()]


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, language and content of each fenced block."""
    for match in FENCE.finditer(text):
        yield text.count("\n", 0, match.start("content")) + 1, match["language"], match["content"]


def shell_lines(path: Path) -> list[Line]:
    """Return the commands in the ``sh`` blocks of a page."""
    page = path.relative_to(CHECKOUT).as_posix()
    found = []
    for first, language, content in blocks(path.read_text(encoding="utf-8")):
        if language != "sh":
            continue
        joined = ""
        for number, line in enumerate(content.splitlines(), first):
            joined += line.strip()
            if joined.endswith("\\"):
                joined = joined[:-1]
                continue
            if joined and not joined.startswith("#"):
                found.append(Line(page, number, joined))
            joined = ""
    return found
