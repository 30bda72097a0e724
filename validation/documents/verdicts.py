"""The verdicts, and ``Unavailable``, which stands for an engine or a tool that this machine lacks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Verdicts of a case and of a whole comparison. NOT_PROVEN: it agrees with a reference whose answer proves nothing.
PASSED, FAILED, NOT_PROVEN, NOT_RUN = "passed", "failed", "not proven", "not run"


VERDICTS = {PASSED: "PASS", FAILED: "FAIL", NOT_PROVEN: "NOT PROVEN", NOT_RUN: "NOT RUN"}


def explanations(
    failures: Iterable[str], unproven: Iterable[str], not_run: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield each reason for a verdict, after the verdict in words."""
    for verdict, reasons in ((FAILED, failures), (NOT_PROVEN, unproven), (NOT_RUN, not_run)):
        yield from ((VERDICTS[verdict], reason) for reason in reasons)


@dataclass(frozen=True)
class Unavailable:
    """Stands for an engine or a tool that this machine lacks.

    Attributes:
        reason: why it is not available, in words that follow "NOT RUN: ".
    """

    reason: str
