"""``convert``, as a user runs it, writes a whole artifact folder or none."""

import contextlib
import hashlib
import json
import multiprocessing
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.jit.mobile import _load_for_lite_interpreter

from converters import convert
from converters.artifact_layout import FORMATS
from converters.cli import main
from converters.conversion import FORMATS as WRITTEN_FORMATS
from converters.conversion import STEPS, load_source, write_artifact
from converters.coreml.format import COREML
from converters.coreml.options import CoreMLOptions
from converters.output_folder import require_free, staged
from converters.second_process import SecondProcess
from converters.torchscript.options import TorchScriptOptions
from reference.common.errors import ConversionError, OutputError
from reference.photos.masks import decode_rle
from reference.photos.preprocessing import photo_to_frame
from reference.weights.checkpoint import official_name, resolve_checkpoint
from tests.support import broken_weights
from tests.support.tiny_variant import TINY
from validation.evidence.numbers.wide_streams import with_one_wide_channel

TORCHSCRIPT = ("torchscript", "--checkpoint", "seeded")


def run(arguments, capsys):
    """Run the command, and return its exit status, stdout and stderr."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return exit_.value.code, captured.out, captured.err


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """Both formats in int8; tests must not change them."""
    folder = tmp_path_factory.mktemp("artifacts")
    with pytest.raises(SystemExit) as exit_:
        arguments = ["all", "--model", TINY.name, "--checkpoint", "seeded", "--quantize", "int8"]
        main([*arguments, "--output", str(folder)])
    assert exit_.value.code == 0
    return folder


@pytest.mark.parametrize("change", [broken_weights.diverge, broken_weights.score_infinity])
@pytest.mark.parametrize(
    "arguments",
    [
        ("torchscript",),
        ("torchscript", "--quantize", "int8"),
        ("coreml", "--quantize", "none"),
        ("coreml", "--quantize", "int8"),
        ("all",),
    ],
)
def test_weights_whose_answers_are_not_finite_are_refused(
    tiny_model, tmp_path, capsys, change, arguments
):
    checkpoint = broken_weights.save_weights(tmp_path / "broken.pt", change)
    options = ("--model", tiny_model, "--checkpoint", checkpoint, "--output", tmp_path / "a")
    status, out, err = run([*arguments, *options], capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "answers with NaN or infinity already in PyTorch: in " in err
    first = "image_embeddings of photo 'china'"
    assert (first if change is broken_weights.diverge else "iou_predictions of case") in err
    assert not (tmp_path / "a").exists()


def test_running_variance_of_0_converts_if_the_answers_are_finite(tiny_model, tmp_path):
    checkpoint = broken_weights.save_weights(tmp_path / "var0.pt", broken_weights.silence_a_channel)
    folder = write_artifact(
        load_source(checkpoint, tiny_model), TorchScriptOptions("int8"), tmp_path
    )
    assert (folder / "manifest.json").is_file()


def test_folders_hold_what_the_design_says(artifacts):
    coreml, torchscript = sorted(artifacts.iterdir())
    assert coreml.name == "mobile_sam_tiny-coreml-int8"
    assert sorted(path.name for path in coreml.iterdir()) == [
        "MobileSAMTinyImageEncoder.mlpackage",
        "MobileSAMTinyMaskDecoder.mlpackage",
        "goldens",
        "manifest.json",
    ]
    assert torchscript.name == "mobile_sam_tiny-torchscript-int8"
    assert sorted(path.name for path in torchscript.iterdir()) == [
        "goldens",
        "manifest.json",
        "mobile_sam_tiny_image_encoder.ptl",
        "mobile_sam_tiny_mask_decoder.ptl",
    ]


def test_manifest_lists_every_file(artifacts):
    for folder in artifacts.iterdir():
        manifest = json.loads((folder / "manifest.json").read_text())
        contents = files(folder)
        del contents["manifest.json"]
        assert manifest["files"] == {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in contents.items()
        }
        assert manifest["scheme"] == "int8"
        assert manifest["prompt_slots"] == 8
        assert manifest["checkpoint"]["name"] == "seeded"
        assert manifest["checkpoint"]["trained"] is False
        decoder = manifest["components"]["mask_decoder"]
        assert [tensor["name"] for tensor in decoder["inputs"]] == [
            "image_embeddings",
            "point_coords",
            "point_labels",
            "mask_input",
            "has_mask_input",
        ]
        assert decoder["operators"]
    coreml = json.loads((artifacts / "mobile_sam_tiny-coreml-int8" / "manifest.json").read_text())
    assert coreml["preprocessing"]["padding_rgb"] == [124, 116, 104]
    assert coreml["deployment_target"] == "iOS16"


def test_nothing_names_this_machine(artifacts):
    here = [str(Path.cwd()), str(artifacts), str(Path.home()), sys.prefix]
    found = [
        (name, word)
        for folder in artifacts.iterdir()
        for name, data in files(folder).items()
        for word in here
        if word.encode() in data
    ]
    assert found == []


def test_lite_files_carry_the_manifest(artifacts):
    folder = artifacts / "mobile_sam_tiny-torchscript-int8"
    with ZipFile(folder / "mobile_sam_tiny_mask_decoder.ptl") as archive:
        name = next(name for name in archive.namelist() if name.endswith("extra/manifest.json"))
        carried = json.loads(archive.read(name))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert carried.items() <= manifest.items()
    assert carried["checkpoint"] == manifest["checkpoint"]


def test_goldens_are_the_references_answers(tmp_path, tiny_model, tiny_sam):
    source = load_source("seeded", tiny_model)
    folder = write_artifact(source, TorchScriptOptions("none"), tmp_path) / "goldens"
    goldens = json.loads((folder / "goldens.json").read_text())
    photo = goldens["photos"]["china"]
    pixels = np.asarray(Image.open(folder / photo["file"]))
    frame = photo_to_frame(pixels, tiny_sam.frame_size, tiny_sam.mean_color)
    embeddings = tiny_sam.encode_image(torch.from_numpy(frame))
    stored = np.fromfile(folder / photo["image_embeddings"]["file"], "<f4")
    np.testing.assert_allclose(stored, embeddings.numpy().ravel(), atol=1e-4)

    lite = _load_for_lite_interpreter(str(folder.parent / "mobile_sam_tiny_mask_decoder.ptl"))
    for case in goldens["cases"]:
        if case["mask_input"] or case["photo"] != "china":
            continue
        masks, scores = lite(
            embeddings,
            torch.tensor([case["point_coords"]]),
            torch.tensor([case["point_labels"]], dtype=torch.float32),
            torch.zeros(1, 1, 64, 64),
            torch.zeros(1),
        )
        expected = np.fromfile(folder / case["low_res_masks"]["file"], "<f4")
        np.testing.assert_allclose(masks.numpy().ravel(), expected, atol=1e-3)
        np.testing.assert_allclose(scores[0].numpy(), case["iou_predictions"], atol=1e-4)
        assert decode_rle(case["masks"][0]).shape == pixels.shape[:2]


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(artifacts, tmp_path, tiny_model, capsys):
    """The second run is another process in another folder."""
    script = """
        import sys
        from converters.cli import main
        options = ["--checkpoint", "seeded", "--quantize", "int8", "--output", sys.argv[1]]
        main(["all", "--model", "tiny", *options])
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "b")],
        check=True,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    first, second = files(artifacts), files(tmp_path / "b")
    assert list(first) == list(second)
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.parametrize(
    ("options", "schemes"),
    [(TorchScriptOptions, ("none", "int8")), (CoreMLOptions, ("none", "int8", "w8a8", "fp16"))],
)
def test_schemes_that_are_converted_together_have_the_bytes_of_those_alone(
    options, schemes, tiny_model, tmp_path
):
    shared = load_source("seeded", tiny_model)
    for scheme in schemes:
        together = write_artifact(shared, options(scheme), tmp_path / "together")
        alone = write_artifact(
            load_source("seeded", tiny_model), options(scheme), tmp_path / "alone"
        )
        files = [path.relative_to(alone) for path in alone.rglob("*") if path.is_file()]
        assert len(files) > 10
        for file in files:
            assert (together / file).read_bytes() == (alone / file).read_bytes(), file


def test_several_schemes_are_converted_in_one_run(tmp_path, tiny_model, capsys):
    arguments = ["all", "--model", tiny_model, "--checkpoint", "seeded", "--output", tmp_path]
    arguments += ["--quantize", "none", "--quantize", "fp16", "--quantize", "none", "--json"]
    status, out, _ = run(arguments, capsys)
    assert status == 0
    names = [Path(artifact["folder"]).name for artifact in json.loads(out)["artifacts"]]
    assert names == [
        f"mobile_sam_tiny-{format_name}-{scheme}"
        for format_name in FORMATS
        for scheme in ("none", "fp16")
    ]
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())


def test_an_existing_folder_is_refused_without_force(artifacts, tmp_path, tiny_model, capsys):
    artifacts = shutil.copytree(artifacts, tmp_path / "copy")
    folder = artifacts / "mobile_sam_tiny-torchscript-int8"
    before = files(artifacts)
    arguments = [*TORCHSCRIPT, "--model", tiny_model, "--quantize", "int8", "--output", artifacts]
    status, out, err = run(arguments, capsys)
    assert (status, out) == (2, "")
    assert err == (
        f"convert: error: '{folder}' exists: choose another output folder, "
        "or replace it with --force (in Python: force=True)\n"
    )
    assert files(artifacts) == before

    (folder / "goldens" / "extra.txt").write_text("mine")
    status, out, err = run([*arguments, "--force", "--json"], capsys)
    assert status == 0
    assert "untrained" in err and len(err.splitlines()) == 1
    assert files(artifacts) == before
    result = json.loads(out)["artifacts"][0]
    assert result["folder"] == str(folder)
    assert result["bytes"] == sum(path.stat().st_size for path in folder.glob("*.ptl"))


def test_where_the_weights_were_found_is_told(artifacts, tmp_path, tiny_model, capsys):
    weights = resolve_checkpoint("seeded", TINY).state_dict
    content = {"epoch": 3, "ema": {f"sam.{name}": tensor for name, tensor in weights.items()}}
    torch.save(content, tmp_path / "run.pt")
    arguments = ["--model", tiny_model, "--quantize", "int8", "--checkpoint", tmp_path / "run.pt"]
    status, _, err = run(["torchscript", *arguments, "--output", tmp_path], capsys)
    assert status == 0
    assert err == "note: weights of 'run.pt': found at ['ema'], prefix 'sam.'; left out: 'epoch'\n"
    goldens = "mobile_sam_tiny-torchscript-int8/goldens"
    assert files(tmp_path / goldens) == files(artifacts / goldens)


def test_force_does_not_replace_what_is_no_artifact(tmp_path, tiny_model, capsys):
    folder = tmp_path / "mobile_sam_tiny-torchscript-none"
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    status, _, err = run(
        [*TORCHSCRIPT, "--model", tiny_model, "--output", tmp_path, "--force"], capsys
    )
    assert status == 2
    assert "is not an artifact folder" in err
    assert (folder / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["coreml", "--quantize", "int5"], "unknown Core ML scheme 'int5'"),
        (["torchscript", "--quantize", "lut4"], "unknown scheme 'lut4' for TorchScript"),
        (["coreml", "--deployment-target", "iOS9"], "unknown deployment target 'iOS9'"),
        (
            ["coreml", "--quantize", "int4", "--deployment-target", "iOS16"],
            "does not support the scheme 'int4': expected iOS18 or later; or leave the deployment target out",
        ),
        (["torchscript", "--bytecode-version", "4"], "bytecode version 4 .* expected 5 to 8"),
        (["torchscript", "--prompt-slots", "0"], "0 prompt slots: expected 1 to 64"),
        (["torchscript", "--prompt-slots", "x"], "'x' is not a valid integer"),
        (["torchscript", "--model", "vit_z"], "unknown model 'vit_z'"),
        (["torchscript", "--checkpoint", "nowhere.pt"], "no checkpoint 'nowhere.pt'"),
        (["onnx"], "No such command 'onnx'"),
        ([], "expected one of all, coreml, torchscript"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(arguments, capsys)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert re.search(message, err)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_output_is_refused(tmp_path, tiny_model, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("")
    status, _, err = run(
        [*TORCHSCRIPT, "--model", tiny_model, "--output", blocker / "deep"], capsys
    )
    assert status == 2
    assert err.startswith(f"convert: error: '{blocker}' is a file: expected a folder")
    assert len(err.splitlines()) == 1


def test_an_error_midway_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "new" / "artifact", False) as partial:
        (partial / "half").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path, tiny_model):
    """A limit on the size of files stands in for the full disk, because writing beyond it is an OSError as well."""
    script = """
        import resource, signal, sys
        from converters.cli import main
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        options = ["--checkpoint", "seeded", "--quantize", "none", "--output", "out"]
        main([sys.argv[1], "--model", "tiny", *options])
    """
    for format_name in ("torchscript", "coreml"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), format_name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert list(tmp_path.iterdir()) == []


def test_function_does_what_the_command_does(artifacts, tiny_model, tmp_path):
    arguments = {"checkpoint": "seeded", "model": tiny_model, "output": tmp_path}
    for name in FORMATS:
        steps = []
        folder = convert(name, quantize="int8", on_step=steps.append, **arguments)
        assert files(folder) == files(artifacts / folder.name)
        assert len(steps) == 1 + STEPS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["onnx"], "format 'onnx': expected one of torchscript, coreml"),
        (["coreml", "fp8"], "unknown Core ML scheme 'fp8'"),
        (["coreml", ""], "unknown Core ML scheme ''"),
        (["torchscript", "lut4"], "scheme 'lut4'"),
        (
            ["coreml", None, None, 7],
            "bytecode_version is an option of torchscript: leave it out for coreml",
        ),
        (
            ["torchscript", None, "iOS17"],
            "deployment_target is an option of coreml: leave it out for torchscript",
        ),
    ],
)
def test_function_refuses_what_the_command_does(arguments, message, tmp_path):
    names = ("format_name", "quantize", "deployment_target", "bytecode_version")
    given = dict(zip(names, arguments, strict=False))
    with pytest.raises(ConversionError, match=re.escape(message)):
        convert(given.pop("format_name"), output=tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


def test_formats_of_readers_are_those_that_can_be_written():
    assert tuple(WRITTEN_FORMATS) == FORMATS


def test_a_killed_run_leaves_no_folder_that_looks_finished(tmp_path):
    script = """
        import sys
        from converters import load_source, write_artifact
        from converters.torchscript.options import TorchScriptOptions
        source = load_source("seeded", "tiny")

        def on_step(step):
            if step == "manifest":  # everything else is there by now
                print("ready", flush=True)
                sys.stdin.read()

        write_artifact(source, TorchScriptOptions("none"), sys.argv[1], on_step=on_step)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "mobile_sam_tiny-torchscript-none").exists()
    assert list(tmp_path.rglob("manifest.json")) == []


def test_replacing_is_undone_when_it_fails(tmp_path, monkeypatch):
    folder = tmp_path / "artifact"
    with staged(folder, False) as partial:
        (partial / "manifest.json").write_text('{"schema": "mobile-sam-export/artifact/1"}')
    rename = Path.rename

    def failing(self, target):
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    monkeypatch.setattr("converters.output_folder.exchange", lambda one, other: False)
    with pytest.raises(OutputError, match="No space left"), staged(folder, True) as partial:
        (partial / "manifest.json").write_text(
            '{"schema": "mobile-sam-export/artifact/1", "again": 1}'
        )
    assert (folder / "manifest.json").read_text() == '{"schema": "mobile-sam-export/artifact/1"}'
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_force_replaces_whatever_is_an_artifact(tmp_path, mark):
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / ".DS_Store").write_bytes(b"left there by macOS")
    require_free(folder, force=True)  # an empty folder is nobody's
    (folder / "weights.bin").write_bytes(b"precious")
    with pytest.raises(OutputError, match="is not an artifact folder"):
        require_free(folder, force=True)
    (folder / "manifest.json").write_text(
        f'{mark}{{"schema": "mobile-sam-export/artifact/1"}}', encoding="utf-8"
    )
    require_free(folder, force=True)


@pytest.fixture
def wide_options(tmp_path, tiny_model, tiny_sam):
    """Options for weights that float16 cannot hold as they are."""
    checkpoint = tmp_path / "wide.pt"
    wide = with_one_wide_channel(tiny_sam, 1e4)
    torch.save({official_name(key): value for key, value in wide.state_dict().items()}, checkpoint)
    return ["--model", tiny_model, "--checkpoint", checkpoint, "--output", tmp_path]


def test_what_convert_prints(golden_text, wide_options, tmp_path, capsys):
    status, out, err = run(["all", *wide_options], capsys)
    assert (status, err) == (0, "")
    golden_text(out, "convert.txt", folder=str(tmp_path))


def test_what_was_repaired_for_float16_is_told(wide_options, capsys):
    status, out, _ = run(["coreml", *wide_options, "--json"], capsys)
    assert status == 0
    (result,) = json.loads(out)["artifacts"]
    manifest = json.loads((Path(result["folder"]) / "manifest.json").read_text())
    assert result["float16"]["image_encoder"] == manifest["components"]["image_encoder"]["float16"]
    assert result["float16"]["image_encoder"]["exponents"]["encoder.stages.1"] < 0
    assert result["float16"]["image_encoder"]["float32"]
    assert result["float16"]["mask_decoder"]["exponents"] == {}
    assert result["float16"]["mask_decoder"]["headroom"] > 2


def test_what_was_written_before_an_error_is_named(tmp_path, tiny_model, capsys, monkeypatch):
    def failing(*_):
        raise ConversionError("no package")

    monkeypatch.setattr(COREML, "write", failing)
    arguments = ["all", "--model", tiny_model, "--checkpoint", "seeded", "--output", tmp_path]
    status, _, err = run(arguments, capsys)
    assert status == 2
    written, error = err.splitlines()[-2:]
    assert (
        f"'{tmp_path / 'mobile_sam_tiny-torchscript-none'}' was written before the error" in written
    )
    assert error == "convert: error: no package"
    assert [path.name for path in tmp_path.iterdir()] == ["mobile_sam_tiny-torchscript-none"]


def test_an_error_in_the_second_process_leaves_nothing(tmp_path):
    """A limit on the size of files stands in for a full disk: only the TorchScript files are larger."""
    script = """
        import math, multiprocessing, resource, signal
        import reference.common.progress
        from converters.cli import main

        reference.common.progress.LINE_SECONDS = math.inf
        if __name__ == "__main__":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
            try:
                main(["all", "--model", "tiny", "--checkpoint", "seeded", "--output", "out"])
            finally:
                print(len(multiprocessing.active_children()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == "0\n"
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_the_second_process_is_an_error(tmp_path):
    with contextlib.closing(SecondProcess()) as second:
        (process,) = multiprocessing.active_children()
        process.kill()
        with pytest.raises(ConversionError, match="ended"):
            second.fill(TorchScriptOptions(), tmp_path, print, print)
    assert multiprocessing.active_children() == []
