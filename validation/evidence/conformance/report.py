"""Evaluates a conformance run: counts per suite, per opset and operator, and the failures."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from validation.evidence.page import MET, MISSED, Table
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.operators import registered_operators

KNOWN_FAILURES = Path(__file__).with_name("known_failures.json")
AIM = 99.5  # percent of the tests that predict should pass


@dataclass(frozen=True)
class TestResult:
    """The result of one test.

    Attributes:
        test: the test's id.
        outcome: "passed", "failed" or "skipped".
        predictions: the number of predictions that it made.
        operators: the operators of its programs, as "opset:kind".
        reason: the last line of a failure; "" if the test passed.
    """

    test: str
    outcome: str
    predictions: int
    operators: tuple[str, ...]
    reason: str

    @property
    def counts(self) -> bool:
        """Whether the test checks the runtime: it ran a model, or failed before it could.

        Tests that coremltools expects to fail are reported as skipped.
        """
        return self.outcome == "failed" or (self.outcome == "passed" and self.predictions > 0)


@dataclass(frozen=True)
class KnownFailure:
    """Failures that are not the runtime's fault, with the reason.

    ``pattern`` is searched for in "ID: REASON" of a test.
    """

    pattern: re.Pattern[str]
    reason: str

    def explains(self, result: TestResult) -> bool:
        """Return whether a failed test matches the pattern."""
        return bool(self.pattern.search(f"{result.test}: {result.reason}"))


def read_log(path: Path) -> list[TestResult]:
    """Read the results of a run. If a test has several lines, the last one counts."""
    results = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        results[entry["test"]] = TestResult(
            entry["test"],
            entry["outcome"],
            entry["predictions"],
            tuple(entry["operators"]),
            entry["reason"],
        )
    return list(results.values())


def read_known_failures(path: Path = KNOWN_FAILURES) -> list[KnownFailure]:
    """Read the list of known failures."""
    entries = json.loads(path.read_text())
    return [KnownFailure(re.compile(entry["matches"]), entry["reason"]) for entry in entries]


def unexplained(results: Iterable[TestResult], known: Sequence[KnownFailure]) -> list[TestResult]:
    """Return the failures that are not on the list."""
    return [
        result
        for result in results
        if result.outcome == "failed" and not any(item.explains(result) for item in known)
    ]


def suite_table(results: dict[str, list[TestResult]]) -> Table:
    """Return a table with a row per suite: how many tests there are, predict, and pass."""
    header = ("<suite", "tests", "skipped", "no model", "predict", "pass", "fail", "%", f"≥ {AIM}")
    rows = []
    everything = [result for found in results.values() for result in found]
    for name, found in [*results.items(), ("all", everything)]:
        outcomes = Counter(result.outcome for result in found if result.counts)
        predicting = sum(outcomes.values())
        share = 100 * outcomes["passed"] / predicting if predicting else 0.0
        rows.append(
            (
                name,
                f"{len(found):,}",
                f"{sum(result.outcome == 'skipped' for result in found):,}",
                f"{sum(r.outcome != 'skipped' and not r.counts for r in found):,}",
                f"{predicting:,}",
                f"{outcomes['passed']:,}",
                f"{outcomes['failed']:,}",
                f"{share:.2f}",
                MET if share >= AIM else MISSED,
            )
        )
    return Table("conformance", ("coremltools", "torch"), header, rows)


def operator_table(results: Iterable[TestResult]) -> Table:
    """Return a table with a row per operator.

    For each opset it has the number of tests that ran the operator, and how many of them passed.
    """
    ran: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for result in results:
        ran.update(result.operators)
        if result.outcome == "passed":
            passed.update(result.operators)
    used = {key.split(":")[0] for key in ran}
    opsets = [opset for opset in Opset if opset.name in used]
    rows = []
    for kind in registered_operators():
        cells = []
        for opset in opsets:
            key = f"{opset.name}:{kind}"
            cells.append(f"{passed[key]} of {ran[key]}" if ran[key] else "–")
        rows.append((f"`{kind}`", *cells))
    header = ("<operator", *(opset.name for opset in opsets))
    return Table("operators", ("coremltools", "torch"), header, rows)


def failure_table(results: Iterable[TestResult], known: Sequence[KnownFailure]) -> Table:
    """Return a table with a row per known failure, and the number of tests that it explains."""
    failures = [result for result in results if result.outcome == "failed"]
    rows = []
    for item in known:
        count = sum(item.explains(failure) for failure in failures)
        pattern = item.pattern.pattern.replace("|", r"\|")  # a bare | would end the table cell
        rows.append((f"`{pattern}`", str(count), item.reason))
    return Table("failures", ("coremltools", "torch"), ("<matches", "fail", "<why"), rows)
