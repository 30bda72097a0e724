"""Every command checks where its results go before it starts to work, and writes nothing into an artifact."""

from pathlib import Path

import pytest
from PIL import Image
from torch.nn.modules.module import register_module_forward_pre_hook

from converters.cli import convert_command
from reference.cli import segment
from reference.common.command_line import run
from reference.scenes.cli import scenes
from reference.training.cli import training
from tests.support.reach import contents
from tests.support.requirements import needs_path
from validation.artifacts.artifact import load_artifact
from validation.cli import validate
from validation.commands.demo.cli import demo
from validation.evidence.conformance.cli import conformance
from validation.evidence.peers.cli import peers

PROMPT = ["--point", "5,5", "--output"]
TRAINING = ["--model", "tiny", "--steps", "1", "--output"]

# Command, its arguments but the place, and what it would be called there.
OUTPUTS = {
    "segment": (segment, ["{photo}", *PROMPT], "a.png"),
    "convert": (convert_command, ["all", "--output"], "models"),
    "show": (validate, ["show", "{artifact}", "{photo}", *PROMPT], "a.png"),
    "compare --json": (validate, ["compare", "{artifact}", "--json"], "a.json"),
    "compare --report": (validate, ["compare", "{artifact}", "--report"], "report"),
    "latency --json": (validate, ["latency", "{artifact}", "--json"], "a.json"),
    "latency --report": (validate, ["latency", "{artifact}", "--report"], "report"),
    "accuracy": (validate, ["accuracy", "{artifact}", "--scenes", "1", "--json"], "a.json"),
    "cost": (validate, ["cost", "{artifact}", "--json"], "a.json"),
    "regress": (validate, ["regress", "{artifact}", "--update", "--baseline"], "a.json"),
    "regress --json": (
        validate,
        ["regress", "{artifact}", "--baseline", "{photo}", "--json"],
        "a.json",
    ),
    "ingest": (validate, ["ingest", "{photo}", "--json"], "a.json"),
    "scenes": (scenes, ["--count", "1", "--size", "32", "--output"], "a.png"),
    "training": (training, ["grouping", *TRAINING], "."),
    "conformance": (conformance, ["operators", "--sample", "0", "--logs"], "."),
    "demo": (demo, ["--output"], "."),
    "peers": (peers, ["--check", "--json"], "a.json"),
}


def refusal(capsys, command, words):
    """Run a command that must be refused, and return the one line that it prints."""
    with pytest.raises(SystemExit) as caught:
        run(command, list(map(str, words)))
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("place", ["", "goldens"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_nothing_is_written_into_an_artifact(capsys, tiny_artifact, tmp_path, output, place):
    photo = tmp_path / "photo.png"
    Image.effect_noise((20, 20), 50).save(photo)
    command, arguments, name = OUTPUTS[output]
    words = [word.format(photo=photo, artifact=tiny_artifact) for word in arguments]
    expected = f"is in the artifact {tiny_artifact.resolve()}, which one more file makes invalid"
    assert expected in refusal(capsys, command, [*words, tiny_artifact / place / name])
    load_artifact(tiny_artifact)  # still whole, and nothing is in it that it does not list


@pytest.fixture
def no_forward():
    """Let every torch module fail as soon as it computes."""

    def fail(module, inputs):
        pytest.fail(f"{type(module).__name__} computed for an output that cannot be written")

    handle = register_module_forward_pre_hook(fail)
    yield
    handle.remove()


@needs_path("/proc/self")  # /proc takes no file
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_disk_that_takes_no_file_is_found_before_the_work(
    capsys, no_forward, tiny_artifact, tmp_path, output
):
    photo = tmp_path / "photo.png"
    Image.effect_noise((20, 20), 50).save(photo)
    command, arguments, name = OUTPUTS[output]
    words = [word.format(photo=photo, artifact=tiny_artifact) for word in arguments]
    err = refusal(
        capsys,
        command,
        [*words, Path("/proc") / "none" / name if name == "." else Path("/proc") / name],
    )
    assert "/proc" in err
    assert "cannot" in err or "No such file" in err


# Commands whose results would replace what another parameter names.
SHARED = {
    "a results file": ("ingest", "{results}", "--json", "{results}"),
    "the second of two": ("ingest", "{photo}", "{results}", "--json", "{results}"),
    "a baseline": ("regress", "{artifact}", "--baseline", "{results}", "--json", "{results}"),
    "a baseline that is not there yet": (
        *("regress", "{artifact}", "--baseline", "{new}", "--update"),
        *("--json", "{folder}/../{folder_name}/new.json"),
    ),
    "gates": ("compare", "{artifact}", "--gates", "{results}", "--json", "{results}"),
    "a photo": ("compare", "{artifact}", "--images", "{photo}", "--json", "{link}"),
    "a checkpoint": ("accuracy", "{results}", "--scenes", "1", "--json", "{results}"),
    "the report": ("latency", "{artifact}", "--report", "{new}", "--json", "{new}"),
}


@pytest.mark.parametrize("words", SHARED.values(), ids=SHARED)
def test_results_do_not_replace_what_the_command_reads_or_writes(
    capsys, tiny_artifact, tmp_path, words
):
    photo, results, link = (tmp_path / name for name in ("photo.png", "results.json", "link.json"))
    Image.effect_noise((20, 20), 50).save(photo)
    results.write_text("{}")
    link.symlink_to(photo)
    places = {
        "artifact": tiny_artifact,
        "photo": photo,
        "results": results,
        "link": link,
        "new": tmp_path / "new.json",
        "folder": tmp_path,
        "folder_name": tmp_path.name,
    }
    before = contents(tmp_path)
    err = refusal(capsys, validate, [word.format(**places) for word in words])
    assert "; name another file with --json" in err
    assert contents(tmp_path) == before
