"""The built-in prompts cover what the docs say, and fit their photos."""

import numpy as np
import pytest
from PIL import Image

from converters.samples import GOLDEN_CASES
from validation.questions.cases import is_ambiguous
from validation.questions.prompt_matrix import built_in_questions, photo_question


@pytest.fixture(scope="module")
def questions():
    return built_in_questions(8)


def test_photos_have_every_shape(questions):
    sizes = {question.photo: question.read().shape[:2] for question in questions}
    assert len(sizes) == 7
    assert any(height > width for height, width in sizes.values())
    assert any(height < width for height, width in sizes.values())
    assert any(height == width for height, width in sizes.values())
    assert any(max(size) < 64 for size in sizes.values())
    assert any(min(size) > 1024 for size in sizes.values())
    assert any(width > 8 * height for height, width in sizes.values())
    assert any(height % 2 and width % 2 for height, width in sizes.values())


def test_photos_are_the_same_every_time(questions):
    again = built_in_questions(8)
    for question, other in zip(questions, again, strict=True):
        assert question.read().dtype == np.uint8
        assert (question.read() == other.read()).all()
        assert question.cases == other.cases


def test_prompts_are_of_every_kind(questions):
    cases = [case for question in questions for case in question.cases]
    assert len({case.name for case in cases}) == len(cases) == 37 - len(GOLDEN_CASES)
    assert {case.slots for case in cases} == set(range(1, 9))
    assert any(is_ambiguous(case) for case in cases)
    assert any(0 in case.labels and 1 in case.labels for case in cases)
    assert any(case.box and case.points for case in cases)
    assert any(case.mask_from and case.points for case in cases)
    assert any(case.mask_from and case.box for case in cases)


def test_prompts_lie_in_their_photos(questions):
    for question in questions:
        height, width = question.read().shape[:2]
        for case in question.cases:
            for x, y in case.points:
                assert 0 <= x <= width and 0 <= y <= height
            if case.box:
                x1, y1, x2, y2 = case.box
                assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height


def test_earlier_masks_come_earlier(questions):
    for question in questions:
        names = [case.name for case in question.cases]
        for index, case in enumerate(question.cases):
            assert case.mask_from is None or case.mask_from in names[:index]


@pytest.mark.parametrize("slots", [1, 2, 3, 12])
def test_prompts_fit_the_slots(slots):
    cases = [case for question in built_in_questions(slots) for case in question.cases]
    assert max(case.slots for case in cases) == slots
    assert cases


def test_users_photos_are_asked_about_in_the_middle(china, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(china).save(path)
    question = photo_question(path, 8)
    point, box = question.cases
    assert (question.photo, question.read().shape) == (str(path), (427, 640, 3))
    assert point.points == ((320, 213.5),)
    assert box.box == (160, 106.75, 480, 320.25)
    assert [case.name for case in photo_question(path, 1).cases] == ["central_point"]
