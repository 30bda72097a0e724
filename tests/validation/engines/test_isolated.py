"""An engine in a child process: the same answers, and errors in place of crashes and hangs."""

import multiprocessing
import os
import re

import pytest
import torch

from reference.common.errors import ArtifactError
from tests.support.late_openers import opener
from validation.artifacts.artifact import load_artifact
from validation.documents.verdicts import Unavailable
from validation.engines import engine_for, engine_openers
from validation.engines.artifact_model import ArtifactModel
from validation.engines.base import EngineDiedError
from validation.engines.isolated import open_isolated, start_isolated


@pytest.fixture(autouse=True)
def no_process_left():
    yield
    assert multiprocessing.active_children() == []


@pytest.fixture
def open_faulty(tiny_artifact):
    """Open an engine of tests/support/faulty_engines.py."""

    def open_named(name, **limits):
        limits.setdefault("time_limit", 60)
        return open_isolated(
            load_artifact(tiny_artifact), [opener("faulty_engines", name)], **limits
        )

    return open_named


def open_sound(artifact, **limits):
    return open_isolated(artifact, engine_openers(artifact), time_limit=60, **limits)


@pytest.fixture
def case(tiny_source):
    return tiny_source.goldens.cases[0]


def check_death(engine, case, message):
    """The mask decoder fails with ``message``, and then once more, at once."""
    image_embeddings = torch.zeros(1, 64, 16, 16)
    with engine:
        for _ in range(2):
            with pytest.raises(EngineDiedError) as caught:
                engine.decode(image_embeddings, case.prompt)
            assert re.fullmatch(message, str(caught.value))
            assert multiprocessing.active_children() == []


@pytest.mark.parametrize("folder", ["tiny_artifact", "tiny_package"])
def test_answers_are_those_of_the_same_process(request, folder, tiny_source, case):
    artifact = load_artifact(request.getfixturevalue(folder))
    frame = tiny_source.goldens.encoder_inputs()[0][0]
    expected = engine_for(artifact)
    with open_sound(artifact) as engine:
        assert engine.name == expected.name
        image_embeddings = engine.encode(frame)
        assert image_embeddings.equal(expected.encode(frame))
        answers = engine.decode(image_embeddings, case.prompt)
    for answer, wanted in zip(answers, expected.decode(image_embeddings, case.prompt), strict=True):
        assert answer.equal(wanted)
    with pytest.raises(EngineDiedError, match="is closed"):
        engine.encode(frame)


def test_number_of_threads_may_change_between_answers(tiny_artifact, case):
    shares = [1, 2, 1]
    threads = iter([3, *shares])  # the first is for the start
    engine = start_isolated(
        load_artifact(tiny_artifact),
        [opener("thread_counting_engine", "open_engine")],
        time_limit=60,
        threads=lambda: next(threads),
    ).ready()
    with engine:
        for share in shares:
            _, scores = engine.decode(torch.zeros(1, 64, 16, 16), case.prompt)
            assert scores.tolist() == [[share] * 4]


def test_file_that_cannot_be_loaded(tiny_artifact, accept_files):
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(b"not TorchScript" * 100)
    accept_files(tiny_artifact)
    artifact = load_artifact(tiny_artifact)
    with pytest.raises(ArtifactError) as expected:
        engine_for(artifact)
    with pytest.raises(ArtifactError) as caught:
        open_sound(artifact)
    assert str(caught.value) == str(expected.value)
    assert type(caught.value) is ArtifactError


def test_error_of_a_call_leaves_the_engine_alive(tiny_artifact, tiny_source, case):
    frame = tiny_source.goldens.encoder_inputs()[0][0]
    with open_sound(load_artifact(tiny_artifact)) as engine:
        with pytest.raises(ArtifactError, match="mask decoder: the lite interpreter .* cannot"):
            engine.decode(frame, case.prompt)
        assert engine.encode(frame).shape == (1, 64, 16, 16)


def test_unavailable(open_faulty):
    assert open_faulty("absent") == Unavailable("no such chip")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crashing", r"mask decoder: the engine crashed \(SIGSEGV\)"),
        ("exiting", r"mask decoder: the engine ended by itself \(exit status 3\)"),
        ("raising", r"mask decoder: the engine failed \(ValueError: no such\)"),
        ("panicking", r"mask decoder: the engine failed \(Panic: at the disco\)"),
        ("noise", r"mask decoder: the engine gave an invalid answer \(.*\)"),
        ("enormous", r"mask decoder: the engine gave an invalid answer \(.*\)"),
        ("too_large", r"mask decoder: .* invalid answer \(a tensor of 4000000000000 bytes\)"),
        ("too_short", r"mask decoder: .* invalid answer \(4 bytes for a tensor of 8\)"),
    ],
)
def test_fault(open_faulty, case, name, message, capfd):
    check_death(open_faulty(name), case, message)
    assert "Traceback" not in capfd.readouterr().err


def test_fault_at_the_start(open_faulty, capfd):
    with pytest.raises(EngineDiedError, match=r"start: the engine failed \(SystemExit: 1\)"):
        open_faulty("ending_at_start")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["hanging", "half"])
def test_no_answer_in_time(open_faulty, case, name):
    engine = open_faulty(name, time_limit=2)
    check_death(engine, case, "mask decoder: the engine gave no answer within 2 s")


def test_hang_at_the_start(open_faulty, monkeypatch):
    monkeypatch.setattr("validation.engines.isolated.START_ALLOWANCE", 0)
    with pytest.raises(EngineDiedError, match="start: the engine gave no answer within 3 s"):
        open_faulty("hanging_at_start", time_limit=3)


def test_memory_limit(tiny_artifact):
    message = r"start: the engine ran out of memory \(limit 0.1 GB\)"
    with pytest.raises(EngineDiedError, match=message):
        open_sound(load_artifact(tiny_artifact), memory_limit=100_000_000)


def test_memory_limit_of_an_answer(open_faulty, case):
    engine = open_faulty("hungry", memory_limit=16_000_000_000)
    check_death(engine, case, r"mask decoder: the engine ran out of memory \(limit 16.0 GB\)")


def test_wrong_shape_is_the_models_to_refuse(open_faulty, tiny_artifact, case):
    with open_faulty("misshapen") as engine:
        model = ArtifactModel(engine, load_artifact(tiny_artifact))
        with pytest.raises(ArtifactError, match=r"of shape \[\(1, 3, 64, 64\).*expected"):
            model.decode_prompts(torch.zeros(1, 64, 16, 16), None, None, None)


def test_what_the_engine_prints_goes_to_stderr(open_faulty, case, capfd):
    with open_faulty("talkative") as engine:
        engine.decode(torch.zeros(1, 64, 16, 16), case.prompt)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "from print" in captured.err
    assert "from a program" in captured.err


def test_process_is_gone_after_an_error_of_the_parent(open_faulty):
    with pytest.raises(KeyboardInterrupt), open_faulty("hanging"):
        (child,) = multiprocessing.active_children()
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
