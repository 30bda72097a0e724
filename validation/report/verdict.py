"""Words the verdict of the page: which artifacts can ship, which cannot, and why."""

from collections import Counter
from collections.abc import Sequence

from validation.comparison.results import CaseResult, Comparison
from validation.documents.verdicts import FAILED, INCOMPLETE, NOT_PROVEN, NOT_RUN, PASSED
from validation.report.formatting import count, fixed, words
from validation.report.gate_rows import has_own_limits

# Verdict → what it means for an artifact with trained weights, in the order in which artifacts are shown.
_MEANINGS = {
    PASSED: "can ship",
    INCOMPLETE: "is proven only in part: not all cases were run",
    FAILED: "cannot ship",
    NOT_PROVEN: "cannot ship yet",
    NOT_RUN: "cannot be judged here",
}
_UNTRAINED = "agrees with the reference, but is untrained: do not ship it"
_UNTRAINED_ALL = "artifacts agree with the reference, but are untrained: do not ship them"
_QUICK = "passed a quick comparison; compare it without --quick before you ship it"
_QUICK_ALL = "passed a quick comparison; compare them without --quick before you ship them"
_OWN_LIMITS = "by limits of your own"
ORDER = tuple(_MEANINGS)
_CASE_RANKS = {FAILED: 0, PASSED: 1, NOT_PROVEN: 2, NOT_RUN: 3}


def ordered_artifacts(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Sort artifacts by ORDER, and those with the same verdict by size."""
    return sorted(comparisons, key=lambda item: (ORDER.index(item.verdict), item.size_bytes))


def labels_of(comparisons: Sequence[Comparison]) -> list[str]:
    """The artifacts' names, with the engine where two have the same name."""
    names = Counter(item.artifact.name for item in comparisons)
    return [
        item.artifact.name
        if names[item.artifact.name] == 1
        else f"{item.artifact.name} ({item.engine or 'no engine'})"
        for item in comparisons
    ]


def can_ship(comparison: Comparison) -> bool:
    """Whether the artifact passed a whole comparison and has trained weights."""
    passed = comparison.verdict == PASSED and not comparison.quick
    return passed and comparison.artifact.checkpoint.trained


def meaning_of(comparison: Comparison) -> str:
    """Say what the verdict means for the artifact, such as ``can ship``, and whether its gates are the defaults."""
    if comparison.verdict == PASSED and not comparison.artifact.checkpoint.trained:
        return _UNTRAINED
    meaning = _MEANINGS[comparison.verdict]
    if comparison.verdict == PASSED and comparison.quick:
        return _QUICK
    judged = comparison.verdict in (PASSED, FAILED)
    return f"{meaning} {_OWN_LIMITS}" if judged and has_own_limits(comparison) else meaning


def headline(comparisons: Sequence[Comparison]) -> str:
    """The page's first sentence, such as ``2 of 3 artifacts can ship``."""
    total = len(comparisons)
    if total == 1:
        (item,) = comparisons
        return f"{item.artifact.name} {meaning_of(item)}"
    everyone = "Both" if total == 2 else f"All {total}"
    if all(item.verdict == NOT_RUN for item in comparisons):
        return f"None of the {total} artifacts could be run"
    if all(item.verdict == PASSED and not item.artifact.checkpoint.trained for item in comparisons):
        return f"{everyone} {_UNTRAINED_ALL}"
    if all(item.verdict == PASSED and item.quick for item in comparisons):
        return f"{everyone} artifacts {_QUICK_ALL}"
    ready = sum(map(can_ship, comparisons))
    limits = f" {_OWN_LIMITS}" if any(map(has_own_limits, comparisons)) else ""
    if ready == total:
        return f"{everyone} artifacts can ship{limits}"
    share = f"{ready} of {total}" if ready else f"None of the {total}"
    return f"{share} artifacts can ship{limits}"


def reason_of(comparison: Comparison) -> str:
    """Explain the verdict on one artifact in a sentence or two."""
    sentences = {
        PASSED: _passed,
        INCOMPLETE: _passed,
        FAILED: _failed,
        NOT_PROVEN: _not_proven,
        NOT_RUN: _not_run,
    }
    return sentences[comparison.verdict](comparison)


def ordered_cases(comparison: Comparison) -> list[CaseResult]:
    """Sort cases: failed ones first, then by lowest IoU. Cases that prove nothing or did not run are last."""
    return sorted(
        comparison.cases,
        key=lambda case: (
            _CASE_RANKS[case.status],
            case.agreement.min_iou if case.agreement else -1.0,
        ),
    )


def visible_rank(case: CaseResult) -> tuple[int, float]:
    """Sorts cases with pictures by how bad they look: failed ones first, then by the IoU of the masks shown."""
    return _CASE_RANKS[case.status], case.agreement.shown_iou


def _passed(item: Comparison) -> str:
    cases = count(item.count(PASSED), "case")
    sentences = [
        f"{cases} passed; the lowest IoU of any of the four masks, shown or not, is {fixed(item.summary.min_iou)}."
    ]
    if skipped := item.count(NOT_RUN):
        sentences.append(f"{count(skipped, 'case')} could not be run.")
    if empty := item.count(NOT_PROVEN):
        sentences.append(f"{count(empty, 'case')} proved nothing.")
    return " ".join(sentences)


def _failed(item: Comparison) -> str:
    failed, total = item.count(FAILED), count(len(item.cases), "case")
    what = (
        f"{failed} of {total} failed"
        if failed
        else f"No case failed by itself, but {item.failures[0]}"
    )
    blame = f"; the {words(item.blamed)} is to blame" if item.blamed else ""
    return f"{what}{blame}."


def _not_proven(item: Comparison) -> str:
    sentence = "; ".join(item.unproven)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _not_run(item: Comparison) -> str:
    reason = "; ".join(item.not_run_reasons) or "there were no cases"
    return f"{reason[:1].upper()}{reason[1:]}."
