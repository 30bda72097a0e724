"""Progress on stderr: a bar on a terminal, and elsewhere a line now and then."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import click
from tqdm import tqdm

from reference.common.command_line import DOCUMENT_ON_STDOUT
from reference.common.plain_text import shorten

# Called with the name or description of each step, when the step begins.
OnStep = Callable[[str], None]

LINE_SECONDS = 15.0  # shortest time before the first line, and between two


@contextlib.contextmanager
def step_bar(total: int | None) -> Iterator[OnStep]:
    """Show a progress bar over named steps. Call the function that it yields when a step begins.

    Args:
        total: how many steps there are, or None if that depends on what they find.
    """
    with progress(description="starting", total=total, unit="step") as bar:
        begun = 0

        def begin(step: str) -> None:
            nonlocal begun
            bar.update(1 if begun else 0)  # the step before is done now
            begun += 1
            bar.set_description_str(shorten(step))

        yield begin


def progress(
    iterable: Iterable | None = None,
    *,
    description: str,
    total: int | None = None,
    unit: str = "it",
    unit_scale: bool = False,
) -> tqdm:
    """Return a progress bar on stderr, which vanishes when it is done.

    Without a terminal, as in the log of a CI job, it is a line every ``LINE_SECONDS`` at most. Work that is done
    sooner shows none. There is none either if the line would get into a document that a program reads.
    """
    kind: type[tqdm] = tqdm if sys.stderr.isatty() else _ProgressLines
    return kind(
        iterable,
        desc=shorten(description),
        total=total,
        unit=unit,
        unit_scale=unit_scale,
        file=sys.stderr,
        leave=False,
        disable=not sys.stderr.isatty() and _would_spoil_a_document(),
    )


class _ProgressLines(tqdm):
    """Progress as lines that stay."""

    monitor_interval = 0  # no thread that looks after bars

    def __init__(self, *args: object, total: int | None, **options: object) -> None:
        self._next_line = time.monotonic() + LINE_SECONDS
        done = "{n_fmt} {unit}" if total is None else "{n_fmt} of {total_fmt} {unit}"
        left = "" if total is None else ", about {remaining} left"
        form = f"{{desc}}: {done}, {{elapsed}} elapsed{left}"
        super().__init__(*args, total=total, bar_format=form, miniters=1, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Print a line if it is time for one; tqdm calls this whenever a bar would move, change or be cleared."""
        if msg is None and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            self.fp.write(f"{self}\n")
            self.fp.flush()

    def clear(self, *args: object, **options: object) -> None:
        """Leave the lines as they are."""


def _would_spoil_a_document() -> bool:
    """Whether stdout, which a program reads, and stderr are the same file."""
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    # Commands with a flag --json call it as_json; others send JSON to stdout on request.
    if not (context.params.get("as_json") or context.meta.get(DOCUMENT_ON_STDOUT)):
        return False
    return os.path.samestat(os.fstat(1), os.fstat(2))
