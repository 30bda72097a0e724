"""The verdict on all artifacts together, in a sentence."""

from collections.abc import Sequence

from validation.comparison.conclusion import overall_verdict
from validation.comparison.results import CaseResult, Comparison
from validation.documents.verdicts import FAILED, NOT_PROVEN, NOT_RUN, PASSED
from validation.report.formatting import count, fixed, words


def reason_of(comparisons: Sequence[Comparison]) -> str:
    """Why the overall verdict is what it is, with the worst artifact and the stage to blame."""
    verdict = overall_verdict(comparisons)
    concerned = [item for item in comparisons if item.verdict == verdict]
    sentences = {
        PASSED: _passed,
        FAILED: _failed,
        NOT_PROVEN: _not_proven,
        NOT_RUN: _not_run,
    }
    others = sum(item.verdict == NOT_RUN for item in comparisons) if verdict != NOT_RUN else 0
    gap = f" {count(others, 'artifact')} could not be run at all." if others else ""
    return sentences[verdict](concerned, len(comparisons)) + gap


def worst_of(comparisons: Sequence[Comparison]) -> Comparison:
    """The artifact with the lowest mask IoU; one that gave no mask at all is worse still."""
    return min(comparisons, key=lambda item: item.summary.min_iou if item.summary else -1.0)


def ordered_cases(comparison: Comparison) -> list[CaseResult]:
    """Worst first: those that failed, then by their lowest IoU; those that prove nothing, or did not run, are last."""
    ranks = {FAILED: 0, PASSED: 1, NOT_PROVEN: 2, NOT_RUN: 3}
    return sorted(
        comparison.cases,
        key=lambda case: (ranks[case.status], case.agreement.min_iou if case.agreement else -1.0),
    )


def _passed(passed: Sequence[Comparison], total: int) -> str:
    worst = worst_of(passed)
    ran = sum(item.count(PASSED) for item in passed)
    skipped = sum(item.count(NOT_RUN) for item in passed)
    held = f"Every gate held in {count(ran, 'case')} of {count(len(passed), 'artifact')}"
    lowest = f"the lowest mask IoU is {fixed(worst.summary.min_iou)}, of {worst.artifact.name}"
    gap = f" {count(skipped, 'case')} of them could not be run." if skipped else ""
    empty = sum(item.count(NOT_PROVEN) for item in passed)
    gap += f" {count(empty, 'case')} of them prove nothing, and do not count." if empty else ""
    return f"{held}; {lowest}.{gap}"


def _not_proven(unproven: Sequence[Comparison], total: int) -> str:
    share = f"{len(unproven)} of {count(total, 'artifact')}: " if total > 1 else ""
    reasons = dict.fromkeys(text for item in unproven for text in item.unproven)
    sentence = f"{share}{'; '.join(reasons)}."
    return sentence[0].upper() + sentence[1:]


def _failed(failed: Sequence[Comparison], total: int) -> str:
    worst = worst_of(failed)
    share = f"{len(failed)} of {count(total, 'artifact')} failed. " if total > 1 else ""
    cases = worst.count(FAILED)
    what = (
        f"{cases} of {count(len(worst.cases), 'case')} failed"
        if cases
        else f"no case failed by itself, but {worst.failures[0]}"
    )
    blame = f"; the stage to blame is the {words(worst.blamed)}" if worst.blamed else ""
    rank = ", the worst" if len(failed) > 1 else ""
    return f"{share}{worst.artifact.name}{rank}: {what}{blame}."


def _not_run(skipped: Sequence[Comparison], total: int) -> str:
    reasons = dict.fromkeys(reason for item in skipped for reason in item.not_run_reasons)
    return f"Nothing could be run: {'; '.join(reasons) or 'there were no cases'}."
