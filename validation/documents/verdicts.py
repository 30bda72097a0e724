"""The verdicts, and ``Unavailable``, which stands for an engine or a tool that this machine lacks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Verdicts of a case and of a whole comparison. NOT_PROVEN: it agrees with a reference whose answer proves nothing.
PASSED, FAILED, NOT_PROVEN, NOT_RUN = "passed", "failed", "not proven", "not run"
# A verdict of whole comparisons only: what ran has passed, but something that was asked did not run.
INCOMPLETE = "incomplete"


VERDICTS = {
    PASSED: "PASS",
    FAILED: "FAIL",
    NOT_PROVEN: "NOT PROVEN",
    INCOMPLETE: "INCOMPLETE",
    NOT_RUN: "NOT RUN",
}


def overall_verdict(verdicts: Iterable[str | None]) -> str:
    """Return the verdict on a whole, from those on its parts.

    It is the first of FAILED, NOT_PROVEN and INCOMPLETE that a part has. Otherwise it is PASSED if all parts passed,
    INCOMPLETE if some passed and others are NOT_RUN, and NOT_RUN if none passed. A part that is None has no verdict,
    and does not count.
    """
    found = set(verdicts)
    if {PASSED, NOT_RUN} <= found:
        found.add(INCOMPLETE)
    ranked = (FAILED, NOT_PROVEN, INCOMPLETE, PASSED)
    return next((verdict for verdict in ranked if verdict in found), NOT_RUN)


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
