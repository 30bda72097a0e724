"""Values of options that are no numbers, no names and no sizes of this world."""

import pytest

from converters.cli import main as convert
from reference.cli import main as segment
from tests.support.reach import require_told, run_command
from validation.cli import main as validate

HOSTILE_NUMBERS = (
    *(
        "nan",
        "inf",
        "-inf",
        "1e999",
        "-1",
        "1" * 30,
        "1" * 5000,
        "0x10",
        "١٢٣٤٥٦٧٨٩٠" * 10,
        "1_0" * 20,
        "",
    ),
    *("\x1b[2J", "1\nPASS", "\u202e1", "a" * 5000),
)
HOSTILE_NAMES = ("\x1b[2J", "none\nPASS: 7 of 7", "\u202eenon", "a" * 5000, "", "\udcff", "../none")
NUMBERS = (
    (segment, "segment", "--json", "--point", "{},1"),
    (segment, "segment", "--json", "--point", "1,1", "--background-point", "1,{}"),
    (convert, "torchscript", "--prompt-slots"),
    (convert, "torchscript", "--bytecode-version"),
    (validate, "accuracy", "--scenes"),
    (validate, "compare", "--time-limit"),
    (validate, "latency", "--threads"),
    (validate, "latency", "--cores"),
)
NAMES = (
    (segment, "segment", "--json", "--point", "1,1", "--model"),
    (convert, "torchscript", "--model"),
    (convert, "torchscript", "--quantize"),
    (convert, "coreml", "--quantize"),
    (convert, "coreml", "--deployment-target"),
    (convert, "all", "--quantize"),
    (validate, "accuracy", "--model"),
    (validate, "accuracy", "--engine"),
    (validate, "compare", "--engine"),
    (validate, "compare", "--checkpoint"),
    (validate, "latency", "--target"),
    (validate, "setup"),
)


def case(entry):
    main, *words = entry
    return pytest.param(main, words, id=" ".join(words))


@pytest.mark.parametrize(("main", "words"), [case(entry) for entry in NUMBERS])
def test_hostile_numbers(tiny_artifact, tmp_path, main, words):
    refused(main, words, HOSTILE_NUMBERS, tiny_artifact, tmp_path)


@pytest.mark.parametrize(("main", "words"), [case(entry) for entry in NAMES])
def test_hostile_names(tiny_artifact, tmp_path, main, words):
    refused(main, words, HOSTILE_NAMES, tiny_artifact, tmp_path)


def refused(main, words, values, artifact, folder):
    for value in values:
        arguments = [word.format(value) for word in words]
        if arguments == words:  # it is the last
            arguments = [*words, value]
        if main is segment:
            arguments = [*arguments[1:], artifact / "goldens" / "china.png"]
        elif main is convert:
            arguments = [*arguments, "--output", folder / "out"]
        elif words[0] != "setup":
            arguments = [*arguments, artifact]
        outcome = run_command(main, *arguments)
        require_told(outcome)
        assert outcome.status == 2, (value, outcome)
    assert list(folder.iterdir()) == [artifact]
