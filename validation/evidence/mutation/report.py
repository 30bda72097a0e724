"""Makes the tables of docs/evidence/mutation.md."""

from collections.abc import Mapping

from validation.evidence.mutation.mutant import Mutant
from validation.evidence.mutation.suite import Outcome
from validation.evidence.page import CHECKOUT, Table

PAGE = CHECKOUT / "docs" / "evidence" / "mutation.md"
TOOLS = ("torch", "timm", "coremltools")
SURVIVED, NOBODY = "**survived**", "**nobody**"
REASON_WIDTH = 90  # characters; reasons with hashes and shapes are longer
NONE = "none (unmutated)"


def as_expected(mutant: Mutant, outcome: Outcome) -> bool:
    """Return whether a mutant was killed and the right stage blamed."""
    return outcome.killed and outcome.blamed == mutant.expected


def kill_table(outcomes: Mapping[Mutant, Outcome]) -> Table:
    """Return a table with a row per mutant: what caught it, and which stage was blamed."""
    header = (
        "<mutant",
        "<what it is",
        "<applied to",
        "<scheme",
        "<caught by",
        "cases",
        "<blamed",
        "<expected",
    )
    rows = [
        (
            mutant.name,
            mutant.description,
            mutant.applied_to,
            _scheme(mutant.format, mutant.scheme),
            _shorten(outcome.caught_by or SURVIVED),
            _cases(outcome),
            outcome.blamed or NOBODY,
            mutant.expected if as_expected(mutant, outcome) else f"**{mutant.expected}**",
        )
        for mutant, outcome in outcomes.items()
    ]
    killed = sum(outcome.killed for outcome in outcomes.values())
    blamed = sum(as_expected(*pair) for pair in outcomes.items())
    note = f"{len(outcomes)} mutants: {killed} killed, {blamed} with the expected stage blamed."
    return Table("mutants", TOOLS, header, rows, note)


def unmutated_table(
    held: Mapping[tuple[str, str], Outcome], by_default: Mapping[tuple[str, str], Outcome]
) -> Table:
    """Return a table with a row per unmutated artifact: its verdict by the suite's and by the default gates."""
    header = ("<mutant", "<scheme", "<by the suite's gates", "<by the default gates")
    rows = [
        (NONE, _scheme(*pair), _verdict(outcome), _verdict(by_default[pair]))
        for pair, outcome in held.items()
    ]
    return Table("unmutated", TOOLS, header, rows)


def _scheme(format_name: str, scheme: str) -> str:
    return f"{format_name} {scheme}"


def _cases(outcome: Outcome) -> str:
    return "–" if outcome.failed is None else "{} of {}".format(*outcome.failed)


def _verdict(outcome: Outcome) -> str:
    if not outcome.killed:
        return "pass"
    return f"fail, {_cases(outcome)} cases: {_shorten(outcome.caught_by)}"


def _shorten(reason: str) -> str:
    reason = reason.replace("|", r"\|")  # a bare | would end the table cell
    return reason if len(reason) <= REASON_WIDTH else f"{reason[: REASON_WIDTH - 1]}…"
