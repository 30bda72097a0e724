"""Paths that no file can have, and paths that try to write on the terminal, for everything that takes one."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest

from converters.cli import convert_command
from converters.cli import main as convert_main
from reference.cli import main as segment_main
from reference.cli import segment
from reference.common.errors import MobileSAMError
from tests.support.reach import contents, require_told, run_command
from tests.support.sound_documents import baseline_of, results_of
from validation import mil_runtime
from validation.accuracy.dataset import read_dataset
from validation.accuracy.sources import find_artifact
from validation.artifacts.artifact import load_artifact
from validation.cli import main as validate_main
from validation.cli import validate

# Below a file, there is nothing and can be nothing: each is as wrong for an output as for an input.
HOSTILE_PATHS = {
    "too long a name": "a" * 5000 + ".png",
    "too long a path": "a/" * 3000 + "a.png",
    "null": "a\0b.png",
    "terminal sequences": "{file}/\x1b[2J\x1b[1A\x9b2K/a.png",
    "forged line": "{file}/a\nPASS: 37 of 37 cases passed\n.png",
    "carriage return": "{file}/FAIL\rPASS.png",
    "bidirectional": "{file}/\u202egnp.exe\u2066/a.png",
    "line separator": "{file}/a\u2028PASS/a.png",
    "no UTF-8": "{file}/\udcff\udcfe/a.png",
    "empty": "",
}
MAINS = {"segment": segment_main, "convert": convert_main, "validate": validate_main}
# Names of parameters that take a path, and have no type that says so.
NAMED = ("checkpoint", "sources")


def commands(
    command: click.Command, words: tuple[str, ...]
) -> Iterator[tuple[tuple, click.Command]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(None):
            yield from commands(command.commands[name], (*words, name))
    else:
        yield words, command


PLACES = [
    pytest.param(words, command, parameter, id=f"{' '.join(words)} {parameter.opts[0]}")
    for root in (segment, convert_command, validate)
    for words, command in commands(root, (root.name,))
    for parameter in command.params
    if isinstance(parameter.type, click.Path) or parameter.name in NAMED
]


@pytest.fixture
def sound(tiny_artifact, tmp_path) -> Mapping[str, object]:
    """What a command gets for the parameters that are not hostile, by their names."""
    photo = tiny_artifact / "goldens" / "china.png"
    results = tmp_path / "results.json"
    results.write_text(json.dumps(results_of(tiny_artifact)))
    return {
        "image": photo,
        "folder": tiny_artifact,
        "folders": tiny_artifact,
        "sources": tiny_artifact,
        "files": results,
        "path": baseline_of(tiny_artifact),
    }


@pytest.mark.parametrize(("words", "command", "parameter"), PLACES)
def test_hostile_paths(tiny_artifact, sound, tmp_path, words, command, parameter):
    file = sound["image"]
    before = contents(tmp_path)
    for text in HOSTILE_PATHS.values():
        if not text and command.name in convert_command.commands:
            continue  # --output "" is the folder where one is
        given = {**sound, parameter.name: text.format(file=file)}
        arguments = [*words[1:], *_arguments(command, parameter, given)]
        outcome = run_command(MAINS[words[0]], *arguments)
        require_told(outcome)
        assert outcome.status == 2, outcome
    assert contents(tmp_path) == before


def _arguments(command: click.Command, hostile: click.Parameter, given: Mapping) -> list[str]:
    """All that are required, what they need beside them, and the hostile one."""
    words = ["--model", "tiny", "--point", "1,1"] if command.name == "segment" else []
    if command.name in ("segment", "show") and hostile.name != "output":
        words.append("--json")
    if command.name == "show":
        words += ["--point", "1,1"]
    if hostile.name == "latency_file":
        words += ["--report", "report"]
    positional = []
    for parameter in command.params:
        if parameter is not hostile and not parameter.required:
            continue
        if isinstance(parameter, click.Argument):
            positional.append(str(given[parameter.name]))
        else:
            words += [parameter.opts[0], str(given[parameter.name])]
    return [*words, "--", *positional]


NO_UTF8 = "\udcff"


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (segment_main, ("{photo}", "--point", "1,1", "--json", "--checkpoint", "{weights}")),
        (convert_main, ("torchscript", "--output", "{folder}")),
        (validate_main, ("cost", "{artifact}")),
        (validate_main, ("compare", "{artifact}")),
        (validate_main, ("show", "{artifact}", "{photo}", "--point", "1,1", "--json")),
    ],
)
def test_folders_that_torch_cannot_be_told_of(tiny_artifact, tmp_path, main, words):
    folder = tmp_path / NO_UTF8
    folder.mkdir()
    (folder / "weights.pt").write_bytes(b"weights")
    artifact = shutil.copytree(tiny_artifact, folder / "artifact")
    places = {
        "folder": folder,
        "artifact": artifact,
        "photo": artifact / "goldens" / "china.png",
        "weights": folder / "weights.pt",
    }
    outcome = run_command(main, *(word.format(**places) for word in words))
    require_told(outcome)
    assert outcome.status == 2
    assert "is not valid UTF-8" in outcome.err


@pytest.mark.parametrize("path", HOSTILE_PATHS.values(), ids=HOSTILE_PATHS)
@pytest.mark.parametrize(
    "read",
    [
        load_artifact,
        mil_runtime.load,
        lambda path: find_artifact(path, "vit_t"),
        lambda path: read_dataset(Path(path)),
    ],
    ids=["artifact", "package", "subject", "dataset"],
)
def test_functions_refuse_hostile_paths(read: Callable, path: str, tiny_artifact):
    with pytest.raises(MobileSAMError):
        read(path.format(file=tiny_artifact / "manifest.json"))
