"""``--help`` of every command begins with what the command does, and shows examples that are accepted."""

import re

import click
import pytest

from reference.common.command_line import HELP_OPTIONS, run
from tests.support.programs import PROGRAMS


def walk(typed, command, *arguments):
    """Yield a program's command and all of its subcommands, each with the words that are typed for it."""
    yield typed, arguments
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(f"{typed} {name}", below, *arguments, name)


EVERY = {
    typed: (program, arguments)
    for first, program in PROGRAMS.items()
    for typed, arguments in walk(first, program)
}


def shown(capsys, program, *arguments):
    """Run a program, and return its exit status and its output."""
    with pytest.raises(SystemExit) as caught:
        run(program, arguments)
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


@pytest.mark.parametrize("typed", EVERY)
def test_help_begins_with_a_sentence_and_an_example_of_the_command_itself(capsys, typed):
    program, arguments = EVERY[typed]
    status, out, err = shown(capsys, program, *arguments, "--help")
    assert (status, err) == (0, "")
    paragraphs = out.split("\n\n")
    assert paragraphs[0].startswith("Usage: ")
    assert re.match(r"  [A-Z]", paragraphs[1])
    heading, example, *_ = paragraphs[2].splitlines()
    assert heading in ("  Example:", "  Examples:")
    assert example.startswith(f"    {typed}")
    assert shown(capsys, program, *arguments, "-h") == (0, out, "")


def test_examples_are_what_the_commands_take(capsys):
    """Each option of an example is an option of the command."""
    for typed, (program, arguments) in EVERY.items():
        _, out, _ = shown(capsys, program, *arguments, "--help")
        examples = re.findall(rf"^    {re.escape(typed)}(?: .*)?$", out, re.M)
        command = program
        for name in arguments:
            command = command.commands[name]
        for example in examples:
            words = example.split("|")[0].split(">")[0].split()[len(typed.split()) :]
            if isinstance(command, click.Group):
                continue  # its own examples are of those below
            command.make_parser(click.Context(command, help_option_names=HELP_OPTIONS)).parse_args(
                words
            )


@pytest.mark.parametrize("name", ["segment", "convert", "validate"])
def test_version_is_printed(capsys, name):
    status, out, err = shown(capsys, PROGRAMS[name], "--version")
    assert (status, err) == (0, "")
    assert re.fullmatch(rf"{name}, version \d+\.\d+\.\d+\n", out)


@pytest.mark.parametrize(
    ("typed", "option", "known"),
    [
        ("segment", "--model", "vit_t|tiny"),
        ("convert torchscript", "--quantize", "none|fp16|int8|auto"),
        ("convert coreml", "--quantize", "none|fp16|int8|int4|lut8|lut6|lut4|w8a8|auto"),
        ("convert coreml", "--deployment-target", "iOS16|iOS17|iOS18"),
        ("convert torchscript", "--bytecode-version", "5|6|7|8"),
        ("convert all", "--model", "vit_t|tiny"),
        ("validate accuracy", "--model", "vit_t|tiny"),
        ("python -m reference.training scenes", "--model", "vit_t|tiny"),
    ],
)
def test_choices_are_shown(capsys, typed, option, known):
    program, arguments = EVERY[typed]
    assert f"  {option} [{known}]" in shown(capsys, program, *arguments, "--help")[1]


@pytest.mark.parametrize(
    ("typed", "words", "message"),
    [
        ("segment", ["x.jpg", "--model", "x"], "unknown model 'x': expected one of vit_t"),
        ("convert coreml", ["--quantize", "x"], "expected one of none, fp16, int8, int4, lut8"),
        ("convert torchscript", ["--quantize", "x"], "expected one of none, fp16, int8"),
        ("convert coreml", ["--deployment-target", "x"], "expected one of iOS16, iOS17, iOS18"),
        ("convert torchscript", ["--bytecode-version", "12"], "expected 5 to 8"),
        ("validate accuracy", ["demo", "--model", "x"], "expected one of vit_t"),
        ("validate compare", ["x", "--engine", "x"], "'x' is not one of 'lite_interpreter'"),
        ("validate setup", ["x"], "expected arm64 or runtime:2.1.0"),
    ],
)
def test_an_unknown_choice_is_told_the_known_ones_in_one_line(capsys, typed, words, message):
    program, arguments = EVERY[typed]
    status, out, err = shown(capsys, program, *arguments, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
