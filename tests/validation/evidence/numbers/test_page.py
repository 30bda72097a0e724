"""Every table on the page of measured numbers is filled by a command, and its verdicts follow from its figures."""

import re
from pathlib import Path

import pytest

from reference.common.errors import OutputError
from validation.evidence.numbers.cli import SECTIONS
from validation.evidence.page import MET, MISSED, NOT_AIMED, Table, verdict, write_table

TEXT = (Path(__file__).parents[4] / "docs" / "evidence" / "numbers.md").read_text()
BLOCK = re.compile(r"<!-- numbers:begin (\S+) -->\n(.*?)<!-- numbers:end \1 -->", re.DOTALL)
BLOCKS = dict(BLOCK.findall(TEXT))
LIMIT = re.compile(r"([≤≥<]) ([\d.e+-]+)")


def cells(block):
    """Return the header and the rows of a table."""
    lines = [line for line in block.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return header, rows


def holds(value, aim):
    sign, limit = LIMIT.search(aim).groups()
    value, limit = float(value), float(limit)
    return {"≤": value <= limit, "<": value < limit, "≥": value >= limit}[sign]


def test_markers_come_in_pairs():
    assert len(BLOCKS) == TEXT.count("numbers:begin") == TEXT.count("numbers:end") > 0


@pytest.mark.parametrize("name", BLOCKS)
def test_tables_are_filled_by_a_known_command(name):
    command = re.match(
        r"`python -m validation\.evidence\.numbers (\w+)` on \d{4}-\d\d-\d\d: ", BLOCKS[name]
    )
    assert command and command[1] in SECTIONS
    header, rows = cells(BLOCKS[name])
    assert rows and all(len(row) == len(header) for row in rows)


def test_every_section_has_a_table():
    assert {re.search(r"numbers (\w+)`", block)[1] for block in BLOCKS.values()} == set(SECTIONS)


@pytest.mark.parametrize("name", BLOCKS)
def test_verdicts_follow_from_the_figures(name):
    header, rows = cells(BLOCKS[name])
    if header[-1] != "verdict":
        return
    for row in rows:
        if header[-2] == "aim":  # of the figure left of it
            checks = [(row[-3], row[-2])] if LIMIT.search(row[-2]) else []
        else:  # in the header
            checks = [
                (cell, column)
                for cell, column in zip(row, header, strict=True)
                if LIMIT.search(column)
            ]
        held = all(holds(*check) for check in checks)
        known = (MET if held else MISSED,) if checks else (NOT_AIMED, "NOT RUN")
        assert row[-1] in known, row


def test_a_limit_is_held_or_missed():
    assert [verdict(value, 1.0) for value in (1.0, 1.1, float("nan"))] == [MET, MISSED, MISSED]
    assert verdict(5.0, None) == NOT_AIMED


def test_writing_replaces_what_stands_between_the_markers(tmp_path):
    page = tmp_path / "numbers.md"
    page.write_text("before\n<!-- numbers:begin t -->\nold\n<!-- numbers:end t -->\nafter\n")
    for value in ("1", "2"):
        write_table(Table("t", ("torch",), ("<what", "s"), [("a", value)]), "make numbers", page)
    text = page.read_text()
    assert "| what | s |\n| :-- | --: |\n| a | 2 |\n<!-- numbers:end t -->\nafter\n" in text
    assert text.startswith("before\n") and "old" not in text and "| a | 1 |" not in text


def test_a_page_without_the_markers_is_refused_and_left_alone(tmp_path):
    page = tmp_path / "numbers.md"
    page.write_text("prose\n")
    with pytest.raises(OutputError, match="markers"):
        write_table(Table("t", ("torch",), ("<what",), [("a",)]), "make numbers", page)
    assert page.read_text() == "prose\n"
