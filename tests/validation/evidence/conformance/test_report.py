"""The report on a conformance run counts tests, operators and unexplained failures."""

import json

import pytest

from validation.evidence.conformance.report import (
    KNOWN_FAILURES,
    failure_table,
    operator_table,
    read_known_failures,
    read_log,
    unexplained,
)


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "known.json"
    path.write_text(
        json.dumps([{"matches": "test_[ab]: wrong", "reason": "its reference is wrong"}])
    )
    return read_known_failures(path)


def test_a_test_without_a_model_is_no_pass(log):
    results = read_log(log)
    assert len(results) == 5
    assert {result.test: result.outcome for result in results if result.counts} == {
        "test_a": "passed",
        "test_b": "failed",
        "test_e": "failed",
    }


def test_operators_are_counted_by_the_tests_that_ran_them(log):
    table = operator_table(read_log(log))
    rows = {row[0]: row[1:] for row in table.rows}
    assert table.header[1:] == ("iOS15", "iOS18")
    assert rows["`add`"] == ("1 of 2", "–")
    assert rows["`mul`"] == ("–", "1 of 1")
    assert len(rows) > 160


def test_failures_without_a_reason_are_named(log, known):
    results = read_log(log)
    assert [result.test for result in unexplained(results, known)] == ["test_e"]
    assert failure_table(results, known).rows == [
        ("`test_[ab]: wrong`", "1", "its reference is wrong")
    ]


def test_the_list_of_failures_is_short_and_has_reasons():
    entries = read_known_failures(KNOWN_FAILURES)
    assert 0 < len(entries) < 20
    assert all(entry.reason.endswith(".") for entry in entries)
