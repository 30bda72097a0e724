"""The verdicts, and ``Unavailable``, which stands for an engine or a tool that this machine lacks."""

from dataclasses import dataclass

# Verdicts of a case and of a whole comparison. NOT_PROVEN: it agrees with a reference whose answer proves nothing.
PASSED, FAILED, NOT_PROVEN, NOT_RUN = "passed", "failed", "not proven", "not run"


VERDICTS = {PASSED: "PASS", FAILED: "FAIL", NOT_PROVEN: "NOT PROVEN", NOT_RUN: "NOT RUN"}


@dataclass(frozen=True)
class Unavailable:
    """Stands for an engine or a tool that this machine lacks.

    Attributes:
        reason: why it is not available, in words that follow "NOT RUN: ".
    """

    reason: str
