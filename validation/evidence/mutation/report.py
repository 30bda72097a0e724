"""Makes the tables of docs/evidence/mutation.md."""

from collections.abc import Mapping, Sequence

from validation.comparison.results import Comparison
from validation.documents.verdicts import PASSED
from validation.evidence.mutation.fault_bench import FaultResult
from validation.evidence.mutation.fault_gates import GATES
from validation.evidence.mutation.mutant import Mutant
from validation.evidence.mutation.suite import Outcome
from validation.evidence.mutation.weight_faults import Fault, Pair
from validation.evidence.page import CHECKOUT, Table
from validation.stages import IMAGE_ENCODER, MASK_DECODER

PAGE = CHECKOUT / "docs" / "evidence" / "mutation.md"
TOOLS = ("torch", "timm", "coremltools")
SURVIVED, NOBODY = "**survived**", "**nobody**"
REASON_WIDTH = 90  # characters; reasons with hashes and shapes are longer


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


def unmutated_table(sound: Mapping[Pair, Comparison]) -> Table:
    """Return a table with a row per unmutated artifact: its verdict, and how far it is from the gates."""
    header = (
        "<scheme",
        "<verdict",
        "lowest IoU that users see, gate",
        "mean IoU, gate",
        "SQNR of embeddings, gate",
        "SQNR of logits, gate",
    )
    rows = []
    for pair, comparison in sound.items():
        gates, summary = comparison.gates, comparison.summary
        rows.append(
            (
                _scheme(*pair),
                "pass" if comparison.verdict == PASSED else f"**{comparison.verdict}**",
                f"{summary.min_seen_iou:.3f}, {gates.min_iou:g}",
                f"{summary.mean_iou:.4f}, {gates.mean_iou:g}",
                f"{_lowest_sqnr(comparison, IMAGE_ENCODER):.0f}, {gates.min_embeddings_sqnr:g} dB",
                f"{_lowest_sqnr(comparison, MASK_DECODER):.0f}, {gates.min_logits_sqnr:g} dB",
            )
        )
    return Table("unmutated", TOOLS, header, rows)


def _lowest_sqnr(comparison: Comparison, stage: str) -> float:
    losses = [loss for case in comparison.cases for loss in case.stages if loss.stage == stage]
    return min(loss.output.sqnr for loss in losses)


def subtle_table(results: Sequence[FaultResult]) -> Table:
    """Return a table with a row per subtle mutant: what it changes, and what catches it."""
    header = (
        "<mutant",
        "<size",
        "<scheme",
        "SQNR of embeddings",
        "lowest IoU that users see",
        "<caught by",
        "caught from",
    )
    rows = []
    for result in results:
        before, after = result.sound, result.subtle
        fault = result.fault
        rows.append(
            (
                fault.name,
                fault.size_text(fault.subtle),
                _scheme(*result.pair),
                f"{before.embeddings_sqnr} → {after.embeddings_sqnr} dB",
                f"{before.lowest_iou:.3f} → {after.lowest_iou:.3f}",
                _first_gate(result),
                _size(fault, result.smallest_of_all),
            )
        )
    killed = sum(bool(result.subtle.caught) for result in results)
    by_compare = sum(result.is_caught_by_compare for result in results)
    note = (
        f"{len(results)} subtle mutants: {by_compare} killed by `validate compare`, {killed - by_compare} more by "
        f"`validate regress`, {len(results) - killed} survive."
    )
    return Table("subtle", TOOLS, header, rows, note)


def smallest_table(results: Sequence[FaultResult]) -> Table:
    """Return a table with a row per fault and scheme: the smallest size that each kind of gate catches."""
    header = ("<fault", "<scheme", *GATES)
    rows = [
        (
            result.fault.name,
            _scheme(*result.pair),
            *(_size(result.fault, result.smallest[gate]) for gate in GATES),
        )
        for result in results
    ]
    return Table("smallest", TOOLS, header, rows)


def _first_gate(result: FaultResult) -> str:
    caught = result.subtle.caught
    gate = next((gate for gate in GATES if gate in caught), None)
    return SURVIVED if gate is None else f"{gate}: {_shorten(caught[gate])}"


def _size(fault: Fault, size: float | None) -> str:
    return "–" if size is None else fault.size_text(size)


def _scheme(format_name: str, scheme: str) -> str:
    return f"{format_name} {scheme}"


def _cases(outcome: Outcome) -> str:
    return "–" if outcome.failed is None else "{} of {}".format(*outcome.failed)


def _shorten(reason: str) -> str:
    reason = reason.replace("|", r"\|")  # a bare | would end the table cell
    return reason if len(reason) <= REASON_WIDTH else f"{reason[: REASON_WIDTH - 1]}…"
