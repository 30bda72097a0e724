"""The worker script, driven by this Python's own torch as if it was another's."""

import os
import signal

import pytest
import torch

from converters.conversion import write_artifact
from converters.torchscript.options import TorchScriptOptions
from reference.common.errors import ArtifactError
from validation.artifacts.artifact import load_artifact
from validation.documents.verdicts import Unavailable
from validation.engines import engine_for, environment_engine
from validation.engines.base import EngineDiedError
from validation.engines.environments.lite_process import LiteProcess
from validation.stages import IMAGE_ENCODER


@pytest.fixture
def case(tiny_source):
    return tiny_source.goldens.cases[0]


@pytest.fixture
def frame(tiny_source):
    return tiny_source.goldens.encoder_inputs()[0][0]


@pytest.fixture
def open_here(here_set_up, monkeypatch):
    """Open an artifact with the engine ``arm64``, whose environment is this one."""
    monkeypatch.setattr(environment_engine, "ARM64", here_set_up)
    opened = []

    def open_folder(folder):
        opened.append(engine_for(load_artifact(folder), "arm64"))
        return opened[-1]

    yield open_folder
    for engine in opened:
        engine.close()


def check_same(engine, expected, frame, case):
    """The two engines' answers are equal, bit by bit."""
    image_embeddings = engine.encode(frame)
    assert image_embeddings.equal(expected.encode(frame))
    answers = engine.decode(image_embeddings, case.prompt)
    for answer, wanted in zip(answers, expected.decode(image_embeddings, case.prompt), strict=True):
        assert answer.equal(wanted)


def test_answers_are_those_of_the_lite_interpreter(open_here, tiny_artifact, frame, case):
    engine = open_here(tiny_artifact)
    version = torch.__version__.split("+")[0]
    assert engine.name == f"lite interpreter of torch {version} right here"
    check_same(engine, engine_for(load_artifact(tiny_artifact)), frame, case)


def test_int8_gives_the_answers_of_the_lite_interpreter(
    open_here, tiny_source, tiny_model, tmp_path, frame, case
):
    folder = write_artifact(tiny_source, TorchScriptOptions("int8"), tmp_path)
    engine = open_here(folder)
    check_same(engine, engine_for(load_artifact(folder)), frame, case)


def test_file_that_cannot_be_loaded(open_here, tiny_artifact, accept_files):
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(b"not TorchScript" * 100)
    accept_files(tiny_artifact)
    with pytest.raises(ArtifactError, match=r"lite interpreter .* cannot run it \(.*\); convert"):
        open_here(tiny_artifact)


def test_refused_input_leaves_the_engine_alive(open_here, tiny_artifact, frame, case):
    engine = open_here(tiny_artifact)
    with pytest.raises(ArtifactError, match="mask decoder: the lite interpreter .* cannot run it"):
        engine.decode(frame, case.prompt)
    assert engine.encode(frame).shape == (1, 64, 16, 16)


def test_crash(here_set_up, tiny_artifact, frame):
    with LiteProcess(here_set_up, threads=1) as interpreter:
        interpreter.load(load_artifact(tiny_artifact))
        os.kill(interpreter.pid, signal.SIGSEGV)
        for _ in range(2):
            with pytest.raises(EngineDiedError, match=r"image encoder: .* crashed \(SIGSEGV\)"):
                interpreter.run(IMAGE_ENCODER, [frame.numpy()])


def test_program_is_gone_once_it_is_closed(here_set_up):
    interpreter = LiteProcess(here_set_up, threads=1)
    interpreter.close()
    with pytest.raises(ProcessLookupError):
        os.kill(interpreter.pid, 0)


def test_calls_are_timed_and_counted(here_set_up, tiny_artifact, frame):
    with LiteProcess(here_set_up, threads=1, counting=True) as interpreter:
        seconds, _ = interpreter.load(load_artifact(tiny_artifact))
        calls = interpreter.run(IMAGE_ENCODER, [frame.numpy()], calls=3)
    assert seconds > 0
    assert len(calls.seconds) == 3
    assert 0 < sum(calls.seconds) < calls.processor
    assert calls.instructions == (2000, 2000, 2000)  # two looks at the clock each


def test_damaged_environment(here_set_up, monkeypatch):
    monkeypatch.setattr(here_set_up, "command", lambda folder, counts=None: ["/no/python"])
    with pytest.raises(
        EngineDiedError, match="here:1 is damaged .*: remove '.*', and run 'validate"
    ):
        LiteProcess(here_set_up, threads=1)


def test_environment_without_torch(here_set_up, monkeypatch):
    bare = [*here_set_up.command(None), "-S"]  # no installed packages
    monkeypatch.setattr(here_set_up, "command", lambda folder, counts=None: bare)
    with pytest.raises(EngineDiedError, match=r"start: the engine ended by itself"):
        LiteProcess(here_set_up, threads=1)


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("name", ["arm64", "runtime:2.1.0"])
def test_not_set_up_is_not_run(tiny_artifact, name):
    engine = engine_for(load_artifact(tiny_artifact), name)
    assert isinstance(engine, Unavailable)
    assert engine.reason.endswith(f"run 'validate setup {name}'")


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("name", ["arm64", "runtime:2.1.0"])
def test_core_ml_package_is_refused(refuses, tiny_package, name):
    expected = f"the engine '{name}' does not run the format 'coreml': expected core_ml"
    refuses(expected, "compare", tiny_package, "--engine", name)
