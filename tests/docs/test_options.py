"""Every command and every option that users may type is explained on a page."""

import re

import click
import pytest

from tests.support.pages import page_paths
from tests.support.programs import PROGRAMS, commands_below

DOCUMENTED = (
    "segment",
    "convert",
    "validate",
    "python -m reference.training",
    "python -m reference.scenes",
)
COMMANDS = {
    typed: command
    for program in DOCUMENTED
    for typed, command in commands_below(program, PROGRAMS[program])
}
PAGES = {
    path: path.read_text(encoding="utf-8")
    for path in page_paths()
    if "tests" not in path.parts and path.name != "CHANGELOG.md"
}


def pages_about(typed: str) -> list[str]:
    """The texts that name a command."""
    command = re.compile(rf"(?<![\w-]){re.escape(typed)}(?![\w-])")
    return [text for text in PAGES.values() if command.search(text)]


def options_of(command: click.Command) -> list[str]:
    """The long names of a command's options, ``--help`` and ``--version`` apart."""
    return [
        max(parameter.opts, key=len)
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in ("help", "version")
    ]


@pytest.mark.parametrize("typed", COMMANDS)
def test_command_and_its_options_are_on_a_page(typed):
    pages = pages_about(typed)
    assert pages, f"no page names `{typed}`"
    missing = [
        option
        for option in options_of(COMMANDS[typed])
        if not any(re.search(rf"(?<![\w-]){option}(?![\w-])", text) for text in pages)
    ]
    assert missing == [], f"no page that names `{typed}` explains these options"


def test_help_and_version_are_explained_once_for_all():
    common = next(text for path, text in PAGES.items() if path.name == "commands.md")
    assert "--help" in common and "--version" in common
