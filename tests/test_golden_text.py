"""Golden texts: a difference is shown as a diff, and volatile parts are no difference."""

import re

import pytest

from tests.support.golden_text import check_golden_text


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("stage  ms\nload  <time>\non <machine>\n", encoding="utf-8")
    return path


def test_volatile_parts_are_no_difference(table):
    for time, machine in (("12.5", "a.b"), ("9.25", "another")):
        printed = f"stage  ms\nload  {time}\non {machine}\n"
        check_golden_text(printed, table, time=re.compile(r"\d+\.\d+"), machine=machine)


def test_difference_is_a_diff_that_says_what_to_do(table):
    with pytest.raises(pytest.fail.Exception) as caught:
        check_golden_text("stage  s\nload  <time>\non <machine>\n", table)
    message = str(caught.value)
    assert "\n-stage  ms\n+stage  s\n" in message
    assert "run this test with --write-golden-texts" in message


def test_line_that_is_missing_is_a_difference(table):
    with pytest.raises(pytest.fail.Exception, match="\n-on <machine>\n"):
        check_golden_text("stage  ms\nload  <time>\n", table)


def test_missing_file_is_a_difference_until_it_is_written(tmp_path):
    path = tmp_path / "new.txt"
    with pytest.raises(pytest.fail.Exception, match=r"\n\+torch <version>\n"):
        check_golden_text("torch 2.7.1\n", path, version="2.7.1")
    assert not path.exists()
    check_golden_text("torch 2.7.1\n", path, write=True, version="2.7.1")
    assert path.read_text() == "torch <version>\n"
    check_golden_text("torch 2.7.2\n", path, version="2.7.2")
