import re

import pytest

from validation.evidence.mutation.report import PAGE
from validation.evidence.mutation.suite import Suite


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    return Suite(tmp_path_factory.mktemp("mutation"))


@pytest.fixture
def rows_of_page():
    """A function that returns the cells of a table of the page, row by row."""

    def rows_of(table):
        page = PAGE.read_text()
        begin, end = (f"<!-- numbers:{word} {table} -->" for word in ("begin", "end"))
        rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in page.split(begin)[1].split(end)[0].splitlines()
            if line.startswith("|")
        ]
        return rows[2:]

    return rows_of
