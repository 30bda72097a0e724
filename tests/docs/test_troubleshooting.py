"""The messages on docs/troubleshooting.md are those that the programs print."""

import ast

import pytest

from tests.support.pages import CHECKOUT, blocks

PAGE = CHECKOUT / "docs" / "troubleshooting.md"
SYMPTOMS = [
    (number, content.strip())
    for number, language, content in blocks(PAGE.read_text(encoding="utf-8"))
    if language == "text"
]


@pytest.fixture(scope="module")
def literals() -> list[str]:
    """Every text in the source; an f-string counts as the texts between its values."""
    found = []
    for package in ("reference", "converters", "validation"):
        for path in (CHECKOUT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
    return found


def test_page_has_symptoms():
    assert len(SYMPTOMS) > 15


@pytest.mark.parametrize(("number", "message"), SYMPTOMS)
def test_message_is_in_the_source(literals, number, message):
    for part in message.split("…"):
        part = part.strip()
        assert any(part in literal for literal in literals), f"{PAGE.name}:{number}: {part!r}"
