"""Parsing the commands on pages: which programs a shell line calls, with which arguments."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

import click

from reference.common.command_line import HELP_OPTIONS

_ENDS = {"|", "||", "&&", ";", "&"}  # tokens that end one command in a line
_REDIRECTIONS = {"<", ">", ">>"}


@dataclass
class ShownCommand:
    """One call of a program.

    Attributes:
        words: the program and its arguments, without quotes, comments and redirections.
        redirected: the redirections of the call, such as ``<``.
    """

    words: list[str] = field(default_factory=list)
    redirected: list[str] = field(default_factory=list)


def shown_commands(text: str) -> list[ShownCommand]:
    """Return the calls of a shell line, from left to right."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    calls, words = [ShownCommand()], iter(lexer)
    for word in words:
        if word in _ENDS:
            calls.append(ShownCommand())
        elif word in _REDIRECTIONS:
            calls[-1].redirected.append(word)
            next(words)
        else:
            calls[-1].words.append(word)
    return [call for call in calls if call.words]


def find_program(words: list[str], programs: dict[str, click.Command]) -> str | None:
    """Return the longest key of ``programs`` with which the words begin; None if there is none."""
    text = " ".join(words) + " "
    found = [typed for typed in programs if text.startswith(f"{typed} ")]
    return max(found, key=len, default=None)


def check_arguments(command: click.Command, words: list[str]) -> click.Command:
    """Parse arguments as the command does, without running it or opening a file.

    Returns:
        The command that the arguments call. For a group, this is one of its subcommands.

    Raises:
        click.UsageError: an unknown command or option, a missing argument, or an unknown value.
    """
    context = click.Context(command, info_name=command.name, help_option_names=HELP_OPTIONS)
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    if isinstance(command, click.Group):
        _, below, remaining = command.resolve_command(context, rest)
        return check_arguments(below, remaining)
    if rest:
        raise click.UsageError(f"too many arguments: {' '.join(rest)}")
    for parameter in _typed_parameters(command):
        value = values.get(parameter.name)
        if parameter.required and (value is None or value == ()):
            raise click.UsageError(f"{parameter.name} is missing")
        if value is not None and not isinstance(parameter.type, click.Path | click.File):
            parameter.type_cast_value(context, value)
    return command


def _typed_parameters(command: click.Command) -> Iterator[click.Parameter]:
    """Return the parameters that take a value. Flags take none."""
    return (item for item in command.params if not getattr(item, "is_flag", False))
