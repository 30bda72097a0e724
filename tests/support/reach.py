"""What may come of bad input: an answer, or one line that says what is wrong; never a traceback, and nothing half done.

``explore`` draws inputs and hands each to a check. Checks call public functions, whose only errors are
``MobileSAMError``, and commands, in this process, with ``run_command``.
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

# How many inputs a test draws: few, always the same, in `make test`; many, as SEED says, in `make test-slow`.
FEW, MANY = 1, 30
few_and_many = pytest.mark.parametrize(
    "scale", [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]
)


def explore(
    strategy: st.SearchStrategy, check: Callable[[object], None], examples: int, scale: int
) -> None:
    """Check ``examples`` times ``scale`` inputs.

    Args:
        strategy: of the inputs.
        check: raises AssertionError, or lets an error out that is no ``MobileSAMError``.
        examples: how many are few.
        scale: FEW or MANY.
    """

    @settings(
        max_examples=examples * scale,
        deadline=None,
        database=None,
        derandomize=scale == FEW,
        # A document is long, and what is wrong in it few characters: to shrink it takes longer than to find it.
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
    """How a command ended, and what it printed."""

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
    """The command did its work, told a verdict, or refused in one line; and nothing that it printed forges a line."""
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
    """Every file below a folder; folders and links count as well."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }
