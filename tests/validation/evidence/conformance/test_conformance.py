"""A sample of coremltools' own tests passes, and failures without a known reason are reported."""

import subprocess
import sys

import pytest

from validation.evidence.conformance.report import read_log

SAMPLES = {"operators": 0.03, "torch": 0.015}
AT_LEAST = {"operators": 150, "torch": 50}  # that must have predicted


def run(logs, *arguments):
    command = [sys.executable, "-m", "validation.evidence.conformance", "--logs", logs, *arguments]
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("suite", SAMPLES)
def test_sample_passes(suite, tmp_path):
    outcome = run(tmp_path, suite, "--sample", SAMPLES[suite])
    if outcome.returncode == 1:
        # Inputs are random and unseeded: two numbers that float16 makes equal may come first.
        outcome = run(tmp_path, suite, "--failed")
    assert outcome.returncode == 0, outcome.stdout[-3000:]
    results = read_log(tmp_path / f"{suite}.jsonl")
    assert sum(result.predictions > 0 for result in results) >= AT_LEAST[suite]


def test_failures_without_a_reason_are_printed_and_status_1(log, golden_text):
    outcome = run(log.parent, "operators", "--from-logs")
    assert outcome.returncode == 1
    golden_text(outcome.stdout, "conformance.txt")


def test_run_without_tests_is_no_pass(tmp_path):
    (tmp_path / "operators.jsonl").write_text("")
    assert run(tmp_path, "operators", "--from-logs").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nonsense"], "unknown suite 'nonsense'"),
        (["torch", "--from-logs"], "does not exist: run the suite"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, arguments, expected):
    outcome = run(tmp_path, *arguments)
    assert outcome.returncode == 2
    assert expected in outcome.stderr
