"""The commands that pages show are accepted, and those that are quick do what the page says.

A command runs in a folder with everything that the pages speak of: a photo, artifacts, a dataset, a baseline. The
full-size model is replaced by the tiny one, and all weights by the seeded ones: see ``typed``.
"""

import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

import validation.comparison.comparer
from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.torchscript.options import TorchScriptOptions
from reference.common.command_line import run
from tests.support.coco_records import annotation_record, photo_record
from tests.support.latency_documents import document as latency_document
from tests.support.observations import open_here, start_here, timed
from tests.support.pages import CHECKOUT, Line, blocks, page_paths, shell_lines
from tests.support.programs import PROGRAMS
from tests.support.shown_commands import ShownCommand, check_arguments, find_program, shown_commands
from tests.support.sound_documents import baseline_of, results_of
from tests.support.tiny_variant import TINY
from validation.regression import observation

PAGES = [path for path in page_paths() if path.name != "CHANGELOG.md"]
LINES = [line for path in PAGES for line in shell_lines(path)]
TARGETS = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))

# Programs that are no part of this project.
OTHER_PROGRAMS = {"source", "mkdir", "cp", "open", "torchrun"}

# What a command has → why the test does not run it. The first that fits counts.
NOT_RUN = {
    r"^make ": "CI runs `make demo` and `make test`; other targets take minutes to hours",
    r"^source ": "only changes the shell that it is typed in",
    r"^open ": "exists on a Mac only",
    r"^(cp|mkdir) ": "copies files within a checkout",
    r"^pytest ": "is this very test suite",
    r"^sample_apps/ios/linux/toolchain.sh ": "downloads a toolchain; CI runs it",
    r"^python tests/support/real_photos.py ": "tests/validation/accuracy/test_real_photos.py runs it",
    r"^bash findings/": "downloads packages",
    r"^validate setup ": "downloads packages; tests/validation/engines/environments runs it",
    r"^python -m reference.training ": "trains for minutes; tests/reference/training runs it",
    r"^python -m validation.evidence.": "measures for minutes to hours; tests/validation/evidence runs parts",
    r" -m reference.training ": "trains for minutes to days; tests/reference/training runs small ones",
    r" runs/": "reads weights that a training wrote",
    r"^python -m validation.commands.demo ": "is `make demo`, which CI runs",
    r" (DIR|CHECKPOINT) ": "has placeholders",
    r" --engine ": "needs an environment that `validate setup` builds",
    r"^validate latency ": "needs a quiet machine, or a phone; tests/validation/latency runs it with fakes",
    r" /dev/stdin ": "needs a real standard input; tests/validation/reach runs it",
}
EVERY_ARTIFACT = ("torchscript-int8", "coreml-int8")  # what artifacts/* stands for


def seeded(words: list[str]) -> list[str]:
    """The words with the seeded weights in place of all others."""
    return ["seeded" if word in ("official", "demo", "mobile_sam.pt") else word for word in words]


def has(call: ShownCommand, pattern: str) -> bool:
    return re.search(pattern, f"{' '.join(call.words)} ") is not None


def reason_not_to_run(call: ShownCommand) -> str | None:
    return next((reason for pattern, reason in NOT_RUN.items() if has(call, pattern)), None)


CALLS = [(line, call) for line in LINES for call in shown_commands(line.text)]
OURS = [
    call
    for _, call in CALLS
    if reason_not_to_run(call) is None and find_program(call.words, PROGRAMS)
]
# Each command once, of those that are the same with the seeded weights.
RUNS = {" ".join(seeded(call.words)): call for call in OURS}


def test_commands_are_in_blocks_that_say_so():
    """A block of commands begins with ```sh, so that these tests see it and pages color it."""
    begins = re.compile(
        r"^(convert|segment|validate|make|python|\.venv/bin/python) [\w-]", re.MULTILINE
    )
    unmarked = [
        f"{path.relative_to(CHECKOUT)}:{number}"
        for path in PAGES
        for number, language, content in blocks(path.read_text(encoding="utf-8"))
        if language == "" and begins.search(content)
    ]
    assert unmarked == []


@pytest.mark.parametrize(
    ("line", "call"), CALLS, ids=lambda value: str(value)[:80] if isinstance(value, Line) else ""
)
def test_shown_command_is_accepted(line, call):
    words = call.words
    program = find_program(words, PROGRAMS)
    if program:
        check_arguments(PROGRAMS[program], words[len(program.split()) :])
    elif words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= TARGETS
    elif words[0] not in OTHER_PROGRAMS:
        scripts = [
            word for word in words if re.search(r"\.(py|sh)$|^(tests|sample_apps|findings)/", word)
        ]
        assert scripts, "a program that this test does not know"
        assert [word for word in scripts if not (CHECKOUT / word).exists()] == []


def test_every_reason_not_to_run_is_needed():
    unused = [pattern for pattern in NOT_RUN if not any(has(call, pattern) for _, call in CALLS)]
    assert unused == []


def test_every_command_runs_or_has_a_reason():
    neither = [
        str(line) for line, call in CALLS if reason_not_to_run(call) is None and call not in OURS
    ]
    assert neither == []


def named_on_pages(pattern: str) -> set[str]:
    return {name for line in LINES for name in re.findall(pattern, line.text)}


@pytest.fixture(scope="module")
def artifact_named(tmp_path_factory) -> Callable[[str], Path]:
    """Format and scheme, such as "coreml-int8" → an artifact of the tiny model, which is converted once."""
    source = load_source("seeded", TINY.name)

    @cache
    def convert(name: str) -> Path:
        kind, scheme = name.split("-")
        options = {"coreml": CoreMLOptions, "torchscript": TorchScriptOptions}[kind]
        return write_artifact(source, options(scheme), tmp_path_factory.mktemp(name))

    return convert


@pytest.fixture(scope="module")
def prepared(artifact_named, tmp_path_factory) -> Path:
    """A folder with all that the commands read; tests must not change it."""
    folder = tmp_path_factory.mktemp("prepared")
    china = Image.fromarray(load_sample_image("china.jpg"))
    china.resize((1280, 854)).save(folder / "photo.jpg")
    for name in EVERY_ARTIFACT:
        shutil.copytree(artifact_named(name), folder / "artifacts" / f"mobile_sam-{name}")
    for name in named_on_pages(r"--dataset (\w+)"):
        write_dataset(folder / name)
    write_baseline(folder / "baseline.json", sorted((folder / "artifacts").iterdir()))
    (folder / "phones").mkdir()
    results = results_of(folder / "artifacts" / "mobile_sam-torchscript-int8")
    (folder / "phones" / "pixel8.json").write_text(json.dumps(results))
    (folder / "gates.toml").write_text("[coreml.int8]\nmin_iou = 0\n")
    (folder / "latency.json").write_text(json.dumps(latency_document()))
    case = {"name": "temple", "points": [[900, 370]], "labels": [1]}
    photos = [{"image": "photo.jpg", "cases": [case]}]
    prompts = {"schema": "mobile-sam-export/prompts/1", "photos": photos}
    (folder / "prompts.json").write_text(json.dumps(prompts))
    return folder


def write_baseline(path: Path, artifacts: list[Path]) -> None:
    documents = [json.loads(baseline_of(folder).read_text()) for folder in artifacts]
    for document in documents:
        documents[0]["artifacts"] |= document["artifacts"]
    artifacts[0].with_name("baseline.json").unlink()
    path.write_text(json.dumps(documents[0]))


def write_dataset(folder: Path) -> None:
    folder.mkdir()
    Image.new("RGB", (96, 64), "gray").save(folder / "photo1.png")
    document = {"images": [photo_record(1)], "annotations": [annotation_record(10, 1)]}
    (folder / "annotations.json").write_text(json.dumps(document))


@pytest.fixture
def here(prepared, tmp_path, monkeypatch) -> Path:
    """A copy of the prepared folder, in which the command runs, and less work for it."""
    folder = shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(validation.comparison.comparer, "built_in_questions", lambda slots: [])
    monkeypatch.setattr(validation.comparison.comparer, "start_isolated", start_here)
    monkeypatch.setattr(observation, "open_isolated", open_here)
    monkeypatch.setattr(observation, "measure_latency", timed())
    return folder


def typed(program: str, words: list[str]) -> list[str]:
    """What a shell would pass, with the tiny model and the seeded weights."""
    passed = []
    for word in seeded(words):
        passed += sorted(map(str, Path().glob(word))) if "*" in word else [word]
    command = check_arguments(PROGRAMS[program], words)
    if any("--model" in parameter.opts for parameter in command.params):
        passed += ["--model", TINY.name]
    if "--checkpoint" not in words and any(item.default == "demo" for item in command.params):
        passed += ["--checkpoint", "seeded"]
    if command.name == "accuracy" and "--dataset" not in words:
        passed += ["--scenes", "2"]
    return passed


@pytest.mark.parametrize("call", RUNS.values(), ids=RUNS)
def test_shown_command_runs(here, artifact_named, capsys, call):
    program = find_program(call.words, PROGRAMS)
    words = call.words[len(program.split()) :]
    for name in set(re.findall(r"artifacts/mobile_sam-(\w+-\w+)", " ".join(words))):
        shutil.copytree(
            artifact_named(name), here / "artifacts" / f"mobile_sam-{name}", dirs_exist_ok=True
        )
    with pytest.raises(SystemExit) as caught:
        run(PROGRAMS[program], typed(program, words))
    captured = capsys.readouterr()
    assert caught.value.code in (0, 1), captured.err  # 1: untrained masks are not near enough
    assert "error" not in captured.err
    for option in ("--output", "--report", "--json"):
        if option in words[:-1] and not words[words.index(option) + 1].startswith("-"):
            assert (here / words[words.index(option) + 1]).exists()
