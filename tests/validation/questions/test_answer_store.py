"""The reference's answers on disk: found again for the same question only, and never trusted blindly."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import reference
import validation.questions.answer_store as answer_store
from reference.builder import build_sam
from reference.modeling.sam import Sam
from tests.support.tiny_variant import TINY
from validation.questions.answer_store import DECODE, ENCODE, AnswerStore, identity_of, store_of
from validation.questions.cases import PHOTO
from validation.questions.pipeline import CachedPipeline
from validation.questions.prompt_matrix import built_in_questions

QUESTION = b"a question"
SHAPES = {ENCODE: ((1, 4, 2, 2),), DECODE: ((1, 4, 3, 3), (1, 4))}


@pytest.fixture
def store(tmp_path):
    return AnswerStore(tmp_path / "store", b"identity", SHAPES)


@pytest.fixture
def answer():
    return torch.randn(1, 4, 3, 3), torch.randn(1, 4)


@pytest.fixture
def entry(store, answer, tmp_path):
    """The file of the only entry."""
    store.write(DECODE, QUESTION, answer)
    (file,) = (tmp_path / "store").iterdir()
    return file


def test_answer_is_found_again(store, answer, entry, tmp_path):
    again = AnswerStore(tmp_path / "store", b"identity", SHAPES)
    for found in (store.read(DECODE, QUESTION), again.read(DECODE, QUESTION)):
        assert all(one.equal(other) for one, other in zip(found, answer, strict=True))


def test_other_questions_and_other_references_have_no_answer(store, entry, tmp_path):
    assert store.read(DECODE, b"another question") is None
    assert store.read(ENCODE, QUESTION) is None
    assert AnswerStore(tmp_path / "store", b"another", SHAPES).read(DECODE, QUESTION) is None


@pytest.mark.parametrize("damage", ["cut", "longer", "empty", "flipped", "exchanged", "not_finite"])
def test_damaged_entry_counts_as_missing(store, answer, entry, tmp_path, damage):
    data = entry.read_bytes()
    if damage == "exchanged":  # the undamaged entry of another question
        store.write(DECODE, b"another question", [tensor + 1 for tensor in answer])
        (other,) = set(entry.parent.iterdir()) - {entry}
        shutil.copy(other, entry)
    elif damage == "not_finite":
        entry.write_bytes(data[:32] + torch.full((40,), torch.nan).numpy().tobytes())
    else:
        changed = {"cut": data[:-1], "longer": data + b"\0", "empty": b""}
        flipped = data[:50] + bytes([data[50] ^ 1]) + data[51:]
        entry.write_bytes(changed.get(damage, flipped))
    assert store.read(DECODE, QUESTION) is None
    store.write(DECODE, QUESTION, answer)
    assert store.read(DECODE, QUESTION)[0].equal(answer[0])


def test_answer_that_is_not_finite_is_not_stored(store, answer, tmp_path):
    store.write(DECODE, QUESTION, (answer[0] * torch.nan, answer[1]))
    assert not (tmp_path / "store").exists()


def test_disk_that_refuses_is_done_without(tmp_path, answer):
    (tmp_path / "file").write_text("in the way")
    store = AnswerStore(tmp_path / "file" / "store", b"identity", SHAPES)
    store.write(DECODE, QUESTION, answer)
    assert store.read(DECODE, QUESTION) is None


def test_folder_is_bounded_and_the_least_used_goes_first(tmp_path, answer, monkeypatch):
    monkeypatch.setattr(answer_store, "_CHECK", 1)  # looks at the size after each entry
    size = 32 + 4 * 40
    store = AnswerStore(tmp_path / "store", b"identity", SHAPES, limit=3 * size)
    for number in range(3):
        store.write(DECODE, bytes([number]), answer)
        for file in (tmp_path / "store").iterdir():
            status = file.stat()
            os.utime(file, (status.st_atime - 100, status.st_mtime - 100))  # time passes
    assert store.read(DECODE, b"\0") is not None  # used now, so the next one is the oldest
    store.write(DECODE, b"\3", answer)
    left = [number for number in range(4) if store.read(DECODE, bytes([number])) is not None]
    assert left == [0, 2, 3]


def tiny_sam() -> Sam:
    return build_sam(TINY.name, "seeded")


def test_identity_follows_from_weights_code_and_circumstances(monkeypatch, tmp_path):
    identities = {identity_of(TINY, "a"), identity_of(TINY, "a")}
    assert len(identities) == 1

    identities.add(identity_of(TINY, "b"))
    identities.add(identity_of(replace(TINY, pixel_mean=(0.0, 0.0, 0.0)), "a"))
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    identities.add(identity_of(TINY, "a"))
    monkeypatch.undo()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 17)
    identities.add(identity_of(TINY, "a"))
    monkeypatch.undo()
    copy = shutil.copytree(Path(reference.__file__).parent, tmp_path / "reference")
    monkeypatch.setattr(reference, "__file__", str(copy / "__init__.py"))
    assert identity_of(TINY, "a") in identities  # the same code elsewhere
    with (copy / "modeling" / "layers.py").open("a") as file:
        file.write("\n# changed\n")
    identities.add(identity_of(TINY, "a"))
    assert len(identities) == 6


class Counting:
    """A model that counts its calls."""

    def __init__(self, sam):
        self.calls = 0
        self._sam = sam
        self.frame_size, self.mean_color = sam.frame_size, sam.mean_color

    def encode_image(self, frame):
        self.calls += 1
        return self._sam.encode_image(frame)

    def decode_prompts(self, *inputs):
        self.calls += 1
        return self._sam.decode_prompts(*inputs)


def ask(pipeline, question, change=lambda pixels: pixels):
    """All answers to a photo's cases, refined ones included."""
    pixels = change(question.read())
    embeddings = pipeline.encode(pipeline.preprocess(pixels))
    answers = {}
    for case in question.cases:
        mask = None if case.mask_from is None else answers[case.mask_from].low_res_masks[:, :1]
        answers[case.name] = pipeline.decode(embeddings, case, pixels.shape[:2], mask)
    return [tensor for answer in answers.values() for tensor in vars(answer).values()]


@pytest.fixture
def question():
    (question,) = built_in_questions(8, ("astronaut",))
    return replace(question, cases=question.cases[:6], kind=PHOTO)


def test_second_run_asks_the_model_nothing(question, tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILE_SAM_CACHE", str(tmp_path))
    sam = tiny_sam()
    first, second = Counting(sam), Counting(sam)
    answers = ask(CachedPipeline(first, store_of(TINY, "a")), question)
    again = ask(CachedPipeline(second, store_of(TINY, "a")), question)
    assert (first.calls, second.calls) == (1 + len(question.cases), 0)
    assert all(one.equal(other) for one, other in zip(answers, again, strict=True))
    plain = ask(CachedPipeline(Counting(sam)), question)
    assert all(one.equal(other) for one, other in zip(answers, plain, strict=True))


def test_another_photo_is_another_question(question, tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILE_SAM_CACHE", str(tmp_path))
    sam = tiny_sam()
    ask(CachedPipeline(Counting(sam), store_of(TINY, "a")), question)
    model = Counting(sam)

    def brighten(pixels):
        pixels = pixels.copy()
        pixels[:2, :2] ^= 255
        return pixels

    ask(CachedPipeline(model, store_of(TINY, "a")), question, brighten)
    assert model.calls == 1 + len(question.cases)


def test_memory_is_bounded(question, monkeypatch):
    sam = tiny_sam()
    model = Counting(sam)
    pipeline = CachedPipeline(model)
    ask(pipeline, question)
    ask(pipeline, question)
    assert model.calls == 1 + len(question.cases)
    monkeypatch.setattr("validation.questions.pipeline.MOST_MEMORY", 1)
    small = CachedPipeline(model)
    ask(small, question)
    ask(small, question)
    assert model.calls == 3 * (1 + len(question.cases))
