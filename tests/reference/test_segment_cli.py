"""``segment`` as a user meets it: real photos, the real model, pictures, JSON and refusals."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

import reference.sam
from reference.cli import main
from reference.photos.masks import decode_rle
from reference.sam import SAM
from reference.segmentation import Segmentation
from tests.support import broken_weights


@pytest.fixture(scope="module")
def photo():
    return load_sample_image("china.jpg")  # (427, 640, 3)


@pytest.fixture
def photo_path(photo, tmp_path):
    path = tmp_path / "photo.png"  # lossless: the Python interface gets the same pixels
    Image.fromarray(photo).save(path)
    return path


@pytest.fixture
def stand_in(monkeypatch):
    """A segmenter that answers at once. The mask of each prompt is a small disc around its middle."""

    class StandIn:
        def __init__(self, checkpoint, model):
            self.checkpoint = SimpleNamespace(
                name=checkpoint, sha256="0" * 64, trained=True, note=""
            )

        def segment(self, image, prompts, on_step):
            return [
                self.answer(image, prompt.decoder_points()[0].mean(axis=0)) for prompt in prompts
            ]

        def answer(self, image, middle):
            rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
            mask = (columns - middle[0]) ** 2 + (rows - middle[1]) ** 2 < 30**2
            return Segmentation(mask[None], np.float32([0.75]), np.zeros((1, 256, 256), np.float32))

    monkeypatch.setattr(reference.sam, "SAM", StandIn)
    return StandIn


@pytest.fixture
def no_model(monkeypatch):
    """Let the test fail if the model is loaded, because refusals come before that."""

    def load(*_):
        raise AssertionError("the model was loaded for an input that is refused")

    monkeypatch.setattr(reference.sam, "SAM", load)


def segment(capsys, *arguments):
    """Run the command, and return its exit status, stdout and stderr."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def assert_refused(capsys, tmp_path, expected, *arguments):
    """Check that the command is refused with one line and status 2, and that nothing is written."""
    before = sorted(path.name for path in tmp_path.iterdir())
    status, out, err = segment(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("segment: error: ")
    assert err.count("\n") == 1
    assert expected in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


# The real model


@pytest.fixture(scope="module")
def answers(photo):
    """The answers of the Python interface to the prompt that the tests pass on the command line."""
    return SAM("seeded").predict(photo, points=[[[300, 200], [20, 20]]], labels=[[1, 0]])


def test_picture_and_json_agree_with_the_python_interface(capsys, photo_path, tmp_path, answers):
    prompt = ["--point", "300,200", "--background-point", "20,20"]
    overlay = tmp_path / "overlay.png"
    arguments = [*prompt, "--checkpoint", "seeded"]
    status, out, err = segment(capsys, photo_path, *arguments, "--output", overlay, "--json")
    document = json.loads(out)

    assert status == 0
    assert document["image"] == {"path": str(photo_path), "size": [427, 640]}
    assert document["prompts"] == [
        {"points": [[300, 200], [20, 20]], "labels": [1, 0], "box": None}
    ]
    assert document["model"] == "vit_t"
    assert document["checkpoint"]["name"] == "seeded"
    assert len(document["checkpoint"]["sha256"]) == 64
    scores = [mask["score"] for mask in document["masks"]]
    assert scores == sorted(scores, reverse=True)
    np.testing.assert_allclose(scores, answers[0].scores, atol=1e-5)
    for mask, expected in zip(document["masks"], answers[0].masks, strict=True):
        assert mask["object"] == 0
        assert mask["segmentation"]["size"] == [427, 640]
        assert mask["area"] == np.count_nonzero(decode_rle(mask["segmentation"]))
        assert np.count_nonzero(decode_rle(mask["segmentation"]) != expected) <= 2
    assert err.startswith("warning: the weights 'seeded' are untrained")
    assert err.count("\n") == 1

    with Image.open(overlay) as picture:
        assert (picture.format, picture.size) == ("PNG", (640, 427))
        assert (np.asarray(picture) != load_sample_image("china.jpg")).any()


def test_every_box_has_a_mask(capsys, photo_path, tmp_path):
    overlay = tmp_path / "overlay.jpg"
    arguments = ["--box", "100,50,300,400", "--box", "350,60,700,380", "--output", overlay]
    status, out, err = segment(capsys, photo_path, *arguments, "--json")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert document["checkpoint"]["name"] == "demo"
    assert [mask["object"] for mask in document["masks"]] == [0, 1]
    assert overlay.exists()


# What goes in and comes out, with an instant segmenter


def test_turned_photo_is_prompted_as_a_viewer_shows_it(capsys, photo, tmp_path, stand_in):
    exif = Image.Exif()
    exif[0x0112] = 6
    path, overlay = tmp_path / "phone.jpg", tmp_path / "overlay.png"
    Image.fromarray(photo).save(path, exif=exif)
    status, out, err = segment(capsys, path, "--point", "400,600", "--json", "--output", overlay)
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert document["image"]["size"] == [640, 427]
    assert document["masks"][0]["bbox"] == [371, 571, 56, 59]
    assert Image.open(overlay).size == (427, 640)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_photos_of_one_row_or_column_are_answered(capsys, tmp_path, stand_in, size):
    path = tmp_path / "odd.png"
    Image.new("RGB", size).save(path)
    status, out, _ = segment(capsys, path, "--point", "0,0", "--json")
    assert status == 0
    assert json.loads(out)["masks"][0]["segmentation"]["size"] == [size[1], size[0]]


@pytest.fixture
def one_of_two_is_empty(stand_in, monkeypatch):
    """The stand-in draws a disc for the first of two boxes, and nothing for the second."""
    empty = Segmentation(np.zeros((1, 427, 640), bool), np.float32([0.1]), np.zeros((1, 256, 256)))
    draw = stand_in.answer
    monkeypatch.setattr(
        stand_in,
        "answer",
        lambda self, image, middle: draw(self, image, middle) if middle[0] < 200 else empty,
    )
    return ["--box", "50,50,150,150", "--box", "300,50,400,150"]


def test_what_segment_prints(capsys, golden_text, photo_path, tmp_path, one_of_two_is_empty):
    arguments = [*one_of_two_is_empty, "--output", tmp_path / "overlay.png"]
    status, out, err = segment(capsys, photo_path, *arguments)
    assert (status, err) == (0, "")
    golden_text(out, "segment.txt", folder=str(tmp_path))


def test_empty_mask_has_an_empty_box(capsys, photo_path, one_of_two_is_empty):
    status, out, _ = segment(capsys, photo_path, *one_of_two_is_empty, "--json")
    assert status == 0
    assert [mask["bbox"] for mask in json.loads(out)["masks"]] == [[71, 71, 59, 59], [0, 0, 0, 0]]


def test_existing_picture_is_replaced(capsys, photo_path, tmp_path, stand_in):
    overlay = tmp_path / "overlay.png"
    overlay.write_text("older")
    assert segment(capsys, photo_path, "--point", "1,1", "--output", overlay)[0] == 0
    assert Image.open(overlay).size == (640, 427)


def test_help_shows_examples(capsys):
    status, out, _ = segment(capsys, "--help")
    assert status == 0
    assert "segment photo.jpg --point 400,300 --output overlay.png" in out


# Refusals


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "an empty prompt: expected --point or --box, for example --point 320,213"),
        (["--point", "640.5,5"], "point (640.5, 5) is outside the photo of 640×427 pixels"),
        (["--point", "-5,10"], "point (-5, 10) is outside the photo"),
        (["--point", "nan,5"], "'nan,5' is not a point: expected X,Y"),
        (["--background-point", "5"], "'5' is not a point"),
        (["--box", "1,2,3"], "'1,2,3' is not a box: expected X1,Y1,X2,Y2"),
        (["--box", "9,9,5,5"], "box (9, 9, 5, 5) has no area"),
        (["--box", "700,0,800,50"], "does not overlap the photo"),
        (["--box", "1,1,5,5", "--box", "2,2,6,6", "--point", "3,3"], "2 boxes with points"),
        (["--point", "5,5", "--model", "vit_x"], "Invalid value for '--model'"),
        (["--points", "5,5"], "No such option"),
    ],
)
def test_bad_prompts_and_options_are_refused(capsys, photo_path, tmp_path, arguments, expected):
    output = tmp_path / "overlay.png"
    assert_refused(capsys, tmp_path, expected, photo_path, "--output", output, *arguments)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("overlay.gif", "no picture format has the suffix '.gif'"),
        ("none/overlay.png", "there is no folder"),
        ("photo.png", "is the photo itself"),
    ],
)
def test_bad_outputs_are_refused(capsys, photo_path, tmp_path, name, expected):
    arguments = [photo_path, "--point", "5,5", "--output", tmp_path / name]
    assert_refused(capsys, tmp_path, expected, *arguments)


@pytest.mark.usefixtures("no_model")
def test_output_to_a_place_that_takes_no_file_is_refused(capsys, photo_path, tmp_path):
    arguments = [photo_path, "--point", "5,5", "--output", "/proc/overlay.png"]
    assert_refused(capsys, tmp_path, "/proc/overlay.png: cannot be written", *arguments)


@pytest.mark.usefixtures("no_model")
def test_segment_needs_an_output(capsys, photo_path, tmp_path):
    expected = "pass --output overlay.png for a picture, --json for the masks, or both"
    assert_refused(capsys, tmp_path, expected, photo_path, "--point", "5,5")


@pytest.mark.usefixtures("no_model")
def test_bad_photos_are_refused(capsys, tmp_path):
    text, cut = tmp_path / "text.jpg", tmp_path / "cut.jpg"
    text.write_text("not a photo")
    Image.fromarray(data.rocket()).save(cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    for path, expected in (
        (text, "not an image that can be read"),
        (cut, "the photo is cut off: copy or download it again"),
        (tmp_path, "a folder"),
        (tmp_path / "none.jpg", "no such file"),
    ):
        assert_refused(capsys, tmp_path, f"{path}: {expected}", path, "--point", "5,5", "--json")


def test_bad_checkpoint_is_refused(capsys, photo_path, tmp_path):
    arguments = [photo_path, "--point", "5,5", "--output", tmp_path / "a.png"]
    checkpoint = tmp_path / "none.pt"
    assert_refused(
        capsys, tmp_path, f"no checkpoint '{checkpoint}'", *arguments, "--checkpoint", checkpoint
    )


def test_where_the_weights_were_found_is_told(capsys, photo_path, stand_in, monkeypatch):
    class Noted(reference.sam.SAM):
        def __init__(self, checkpoint, model):
            super().__init__(checkpoint, model)
            self.checkpoint.note = "found at ['ema']; left out: 'epoch'"

    monkeypatch.setattr(reference.sam, "SAM", Noted)
    arguments = [photo_path, "--point", "5,5", "--json", "--checkpoint", "seeded"]
    status, out, err = segment(capsys, *arguments)
    assert status == 0
    assert json.loads(out)["checkpoint"]["name"] == "seeded"
    assert err == "note: weights of 'seeded': found at ['ema']; left out: 'epoch'\n"


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("change", [broken_weights.diverge, broken_weights.score_infinity])
def test_answer_that_is_not_finite_is_an_error(
    capsys, photo_path, tmp_path, tiny_model, monkeypatch, change, as_json
):
    checkpoint = broken_weights.save_weights(tmp_path / "broken.pt", change)
    monkeypatch.setattr(reference.sam, "SAM", lambda path, _: SAM(path, tiny_model))
    options = ("--checkpoint", checkpoint, *(["--json"] if as_json else []))
    arguments = ("--point", "300,200", "--output", tmp_path / "overlay.png", *options)
    expected = "numbers that are NaN or infinite: expected finite ones"
    assert_refused(capsys, tmp_path, expected, photo_path, *arguments)


def test_equal_scores_are_warned_of(capsys, photo_path, tmp_path, stand_in, monkeypatch):
    def answer(self, image, middle):
        masks = np.zeros((3, *image.shape[:2]), bool)
        scores = np.float32([0.5, 0.5, 0.5 if middle[0] < 100 else 0.25])
        return Segmentation(masks, scores, np.zeros((3, 256, 256), np.float32))

    monkeypatch.setattr(stand_in, "answer", answer)
    status, _, err = segment(capsys, photo_path, "--point", "50,50", "--json")
    assert (status, err.count("\n")) == (0, 1)
    assert "object 1: its 3 masks have equal scores" in err
    assert segment(capsys, photo_path, "--point", "200,50", "--json")[2] == ""
