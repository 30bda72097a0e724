"""Checks of bad input: it must lead to an answer or to one line about the mistake, never to a traceback.

A refused input must also leave nothing half done. ``explore`` draws inputs and hands each to a check. Checks call
public functions, which may raise only ``MobileSAMError``, or commands, with ``run_command`` in this process.
"""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reference.common.plain_text import LINE_LENGTH, is_plain

VERDICTS_OF_STATUS_1 = ("FAIL", "FAILED", "INVALID")

# How many inputs a test draws. `make test` draws few, always the same. `make test-slow` draws many at random.
FEW, MANY = 1, 30
few_and_many = pytest.mark.parametrize(
    "scale", [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]
)


def explore(
    strategy: st.SearchStrategy, check: Callable[[object], None], examples: int, scale: int
) -> None:
    """Check ``examples`` times ``scale`` inputs.

    Args:
        strategy: the strategy that draws the inputs.
        check: raises an error that is not a ``MobileSAMError`` if an input is handled wrong.
        examples: number of inputs at the scale FEW.
        scale: FEW or MANY.
    """

    @settings(
        max_examples=examples * scale,
        deadline=None,
        database=None,
        derandomize=scale == FEW,
        # Hypothesis does not shrink: a mistake is a few characters, and finding it in a long document takes less time.
        phases=(Phase.generate,),
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: object) -> None:
        check(value)

    draw()


@dataclass(frozen=True)
class Outcome:
    """The exit status of a command, and what it printed."""

    status: int
    out: str
    err: str


def run_command(main: Callable, *arguments: object) -> Outcome:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as caught,
    ):
        main([str(argument) for argument in arguments])
    return Outcome(caught.value.code, out.getvalue(), err.getvalue())


def require_told(outcome: Outcome) -> None:
    """Check that a command did its work, gave a verdict, or refused in one line, and printed only plain text."""
    assert outcome.status in (0, 1, 2), outcome
    lines = [*outcome.out.split("\n"), *outcome.err.split("\n")]
    assert all(map(is_plain, lines)), outcome
    if outcome.status == 2:
        assert outcome.out == "", outcome
        assert outcome.err.count("\n") == 1, outcome
        assert ": error: " in outcome.err, outcome
        assert len(outcome.err) < LINE_LENGTH + 100, outcome
    if outcome.status == 1:
        assert any(word in outcome.out for word in VERDICTS_OF_STATUS_1), outcome


def contents(folder: Path) -> dict[str, bytes]:
    """Return path → content of everything below a folder; empty for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }
