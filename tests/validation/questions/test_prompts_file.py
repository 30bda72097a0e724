"""Files of prompts are read as cases, and a file that is wrong is refused in one line."""

import json

import numpy as np
import pytest
from PIL import Image

from reference.common.errors import ImageError, PromptError
from reference.photos.masks import encode_rle
from validation.questions.prompts_file import SCHEMA, read_prompts

SIZE = (40, 60)


@pytest.fixture
def prompts_file(tmp_path):
    """Write a file of prompts about a photo of 60×40 pixels, which lies beside it."""
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "photo.png")

    def write(*cases, **changes):
        path = tmp_path / "prompts.json"
        photo = {"image": "photo.png", "cases": list(cases)}
        path.write_text(json.dumps({"schema": SCHEMA, "photos": [photo | changes]}))
        return path

    return write


def test_reads_every_kind_of_prompt(prompts_file, tmp_path):
    truth = np.zeros(SIZE, bool)
    truth[3:9, 5:20] = True
    path = prompts_file(
        {"name": "points", "points": [[10, 5], [50, 30]], "labels": [1, 0]},
        {"name": "box", "box": [5, 3, 20, 9], "truth": encode_rle(truth)},
        {"name": "refined", "points": [[10, 5]], "mask_from": "box", "mask_index": 2},
    )
    (question,) = read_prompts(path)
    points, box, refined = question.cases
    assert question.photo == str(tmp_path / "photo.png")
    assert question.read().shape == (*SIZE, 3)
    assert (points.points, points.labels, points.box) == (((10, 5), (50, 30)), (1, 0), None)
    assert (box.box, box.points) == ((5, 3, 20, 9), ())
    assert (refined.mask_from, refined.mask_index, refined.labels) == ("box", 2, (1,))
    assert (question.truths["box"] == truth).all()
    assert list(question.truths) == ["box"]


POINT = {"name": "a", "points": [[1, 2]]}


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([{"points": [[1, 2]]}], "'photos[0].cases[0]' lacks 'name'"),
        ([POINT, POINT], "cases[1].name' is 'a': expected a name of its own"),
        ([{"name": "a"}], "is {'name': 'a'}: expected 'points', a 'box' or both"),
        ([{"name": "a", "points": 5}], "'photos[0].cases[0].points' is 5: expected a list"),
        ([{"name": "a", "points": [5]}], "'photos[0].cases[0]': "),
        ([{"name": "a\n", "points": [[1, 2]]}], "a line of text without control characters"),
        ([{"name": "a", "points": [[100, 2]]}], "outside the photo of 60×40"),
        ([{"name": "a", "points": [[1, 2]], "labels": [1, 0]}], "labels"),
        ([{"name": "a", "box": [9, 9, 1, 1]}], "has no area"),
        (
            [POINT | {"mask_from": "b"}],
            "'b': expected an earlier case of this photo (there is none)",
        ),
        ([POINT | {"mask_index": True}], "is True: expected an integer of 0 to 3"),
        (
            [POINT | {"mask_index": 4}],
            "'photos[0].cases[0].mask_index' is 4: expected an integer of 0 to 3",
        ),
        ([POINT | {"label": [1]}], "has 'label': expected only name, points, labels"),
        (
            [POINT | {"truth": {"size": [1, 1], "counts": "1"}}],
            "expected the photo's [height, width], [40, 60]",
        ),
        ([POINT | {"truth": "mask.png"}], "expected COCO RLE"),
        (["a"], "'photos[0].cases[0]' is 'a': expected an object"),
    ],
)
def test_bad_cases_are_refused(prompts_file, cases, expected):
    path = prompts_file(*cases)
    with pytest.raises(PromptError) as caught:
        read_prompts(path)
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)


@pytest.mark.parametrize("image", ["../photo.png", "/etc/hostname", "a/../../photo.png"])
def test_images_lie_below_the_file(prompts_file, image):
    with pytest.raises(PromptError, match="expected a file below its folder"):
        read_prompts(prompts_file(POINT, image=image))


def test_links_that_form_a_loop_are_refused(prompts_file, tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(PromptError, match="expected a file below its folder"):
        read_prompts(prompts_file(POINT, image="loop.png"))


def test_image_that_is_not_there(prompts_file):
    with pytest.raises(ImageError):
        read_prompts(prompts_file(POINT, image="none.png"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not valid JSON"),
        ("[]", "'schema' is None"),
        ('{"schema": "other"}', "'schema' is 'other': expected 'mobile-sam-export/prompts/1'"),
        (f'{{"schema": "{SCHEMA}"}}', "lacks 'photos'"),
        (
            f'{{"schema": "{SCHEMA}", "photos": []}}',
            "'photos' is \\[\\]: expected at least one photo",
        ),
    ],
)
def test_bad_documents_are_refused(tmp_path, text, expected):
    path = tmp_path / "prompts.json"
    path.write_text(text)
    with pytest.raises(PromptError, match=expected):
        read_prompts(path)


def test_a_photo_that_is_asked_nothing(prompts_file):
    with pytest.raises(
        PromptError, match=r"'photos\[0\].cases' is \[\]: expected at least one case"
    ):
        read_prompts(prompts_file())
