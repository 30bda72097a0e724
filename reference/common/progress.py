"""Progress bars on stderr."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator

from tqdm import tqdm

from reference.common.plain_text import shorten

# Called with the name or description of each step, when the step begins.
OnStep = Callable[[str], None]


@contextlib.contextmanager
def step_bar(total: int) -> Iterator[OnStep]:
    """Show a progress bar over ``total`` named steps. Call the function that it yields when a step begins."""
    with progress(description="starting", total=total, unit="step") as bar:
        begun = 0

        def begin(step: str) -> None:
            nonlocal begun
            bar.update(1 if begun else 0)  # the step before is done now
            begun += 1
            bar.set_description(shorten(step))

        yield begin


def progress(
    iterable: Iterable | None = None,
    *,
    description: str,
    total: int | None = None,
    unit: str = "it",
    unit_scale: bool = False,
) -> tqdm:
    """Return a progress bar on stderr. It vanishes when it is done, and appears only on a terminal."""
    return tqdm(
        iterable,
        desc=shorten(description),
        total=total,
        unit=unit,
        unit_scale=unit_scale,
        file=sys.stderr,
        leave=False,
        disable=not sys.stderr.isatty(),
    )
