"""What a conformance run found: counts per suite, per opset and operator, and what failed."""

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
AIM = 99.5  # percent of the tests that predict


@dataclass(frozen=True)
class TestResult:
    """One test: see ``plugin`` for what each means."""

    test: str
    outcome: str
    predictions: int
    operators: tuple[str, ...]
    reason: str

    @property
    def counts(self) -> bool:
        """Whether it says anything about the runtime: it ran a model, or failed before it could.

        Tests that coremltools expects to fail are reported as skipped.
        """
        return self.outcome == "failed" or (self.outcome == "passed" and self.predictions > 0)


@dataclass(frozen=True)
class KnownFailure:
    """Tests that fail, and are not the runtime's fault, with the reason.

    ``pattern`` is searched for in the test's id followed by what its failure says.
    """

    pattern: re.Pattern[str]
    reason: str

    def explains(self, result: TestResult) -> bool:
        """Whether a failed test is one of these."""
        return bool(self.pattern.search(f"{result.test}: {result.reason}"))


def read_log(path: Path) -> list[TestResult]:
    """Results of a run, each test once: the last line counts."""
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
    """The short list of failures that have a reason."""
    entries = json.loads(path.read_text())
    return [KnownFailure(re.compile(entry["matches"]), entry["reason"]) for entry in entries]


def unexplained(results: Iterable[TestResult], known: Sequence[KnownFailure]) -> list[TestResult]:
    """Failures that are not on the list."""
    return [
        result
        for result in results
        if result.outcome == "failed" and not any(item.explains(result) for item in known)
    ]


def suite_table(results: dict[str, list[TestResult]]) -> Table:
    """A row per suite: how many tests there are, predict, and pass."""
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
    """A row per operator: tests that ran it and passed, of those that ran it, for each opset that they use."""
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
    """A row per entry of the list: how many tests fail for its reason."""
    failures = [result for result in results if result.outcome == "failed"]
    rows = []
    for item in known:
        count = sum(item.explains(failure) for failure in failures)
        pattern = item.pattern.pattern.replace("|", r"\|")  # else it would end the table's cell
        rows.append((f"`{pattern}`", str(count), item.reason))
    return Table("failures", ("coremltools", "torch"), ("<matches", "fail", "<why"), rows)
