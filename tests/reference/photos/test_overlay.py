"""The overlay shows masks, contours and prompts at the right place, for photos of every size."""

import numpy as np
import pytest
from skimage import data

from reference.photos import overlay
from reference.photos.overlay import (
    BACKGROUND_POINT,
    OBJECT_COLORS,
    OBJECT_POINT,
    WHITE,
    draw_overlay,
    line_width,
    object_color,
)
from reference.prompts import Prompt, normalize_prompts


@pytest.fixture(scope="module")
def photo():
    return data.coffee()  # (400, 600, 3)


def disc(height, width, x, y, radius):
    rows, columns = np.ogrid[:height, :width]
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def draw(image, masks, prompts):
    return np.asarray(draw_overlay(image, masks, prompts))


def is_color(pixels, color):
    return (pixels == np.array(color)).all(axis=-1)


def test_nothing_drawn_is_the_photo(photo):
    np.testing.assert_array_equal(draw(photo, [], []), photo)
    np.testing.assert_array_equal(draw(photo, [np.zeros((400, 600), bool)], [Prompt()]), photo)


def test_photo_is_not_changed(photo):
    before = photo.copy()
    writable = photo.copy()
    draw(writable, [disc(400, 600, 300, 200, 90)], normalize_prompts([300, 200]))
    np.testing.assert_array_equal(writable, before)


def test_mask_is_tinted_inside_and_outlined_at_its_rim(photo):
    mask = disc(400, 600, 300, 200, 90)
    picture = draw(photo, [mask], [Prompt()])
    line, color = line_width(mask.shape), np.array(object_color(0))
    core, outside = disc(400, 600, 300, 200, 85), ~disc(400, 600, 300, 200, 95)

    np.testing.assert_array_equal(picture[outside], photo[outside])
    opacity = overlay.TINT_OPACITY / 255
    expected = photo[core] * (1 - opacity) + color * opacity
    assert np.abs(picture[core] - expected).max() <= 1
    # Along a row, from the outside: photo, white, the object's color, tint.
    left = int(np.flatnonzero(mask[200])[0])
    assert is_color(picture[200, left : left + line], color).all()
    assert not is_color(picture[200, left + line], color)
    assert is_color(picture[200, left - 1], WHITE)


def test_contour_is_as_wide_on_diagonals():
    """Straight and diagonal parts of a wide contour differ by less than a pixel and a half."""
    width = 6400  # a photo whose contours are 20 pixels wide
    mask = disc(900, width, 450, 450, 300)
    contour = is_color(
        draw(np.zeros((900, width, 3), np.uint8), [mask], [Prompt()]), object_color(0)
    )
    row, diagonal = contour[450, :450], contour[np.arange(450), np.arange(450)]
    assert line_width(mask.shape) == np.count_nonzero(row) == 20
    assert abs(np.count_nonzero(diagonal) * 2**0.5 - 20) < 1.5


def test_mask_that_ends_at_the_photo_has_no_contour_there(photo):
    picture = draw(photo, [np.ones((400, 600), bool)], [Prompt()])
    assert not is_color(picture, object_color(0)).any()
    assert (picture != photo).any(axis=-1).mean() > 0.9


def test_strips_leave_no_seams(photo, monkeypatch):
    mask = disc(400, 600, 300, 200, 190) & ~disc(400, 600, 320, 230, 60)
    whole = draw(photo, [mask], [Prompt()])
    monkeypatch.setattr(overlay, "STRIP_PIXELS", 600 * 7)
    np.testing.assert_array_equal(draw(photo, [mask], [Prompt()]), whole)


def test_objects_have_colors_of_their_own(photo):
    masks = [disc(400, 600, x, 200, 40) for x in (60, 160, 260, 360, 460)]
    picture = draw(photo, masks, [Prompt()] * 5)
    assert len(set(OBJECT_COLORS)) == 5
    for mask, color in zip(masks, OBJECT_COLORS, strict=True):
        assert is_color(picture[mask], color).any()
        assert not is_color(picture[~mask], color).any()
    assert object_color(5) == object_color(0)


def test_points_are_marked_by_color_and_shape(photo):
    picture = draw(photo, [], normalize_prompts([[[150, 200], [450, 100]]], [[1, 0]]))
    assert is_color(picture[200, 150], OBJECT_POINT)
    assert is_color(picture[100, 450], BACKGROUND_POINT)
    assert is_color(picture[200 - 5, 150], OBJECT_POINT)  # a disc is full all around its center,
    assert is_color(picture[100 - 5, 450 - 5], BACKGROUND_POINT)  # a cross along its diagonals,
    assert not is_color(picture[100 - 5, 450], BACKGROUND_POINT)  # and nowhere else
    for y, x in ((200, 150), (100, 450)):
        assert is_color(picture[y - 9 : y + 10, x - 9 : x + 10], WHITE).any()


def test_markers_are_centered_on_their_points(photo):
    blank = np.zeros_like(photo)
    for label in (1, 0):
        picture = draw(blank, [], normalize_prompts([151, 200], label))
        rows, columns = np.nonzero(picture.any(axis=-1))
        assert (rows.min() + rows.max()) / 2 == 200
        assert (columns.min() + columns.max()) / 2 == 151


def test_box_is_framed(photo):
    picture = draw(photo, [], normalize_prompts(bboxes=[100, 50, 300, 250]))
    color = object_color(0)
    for y, x in ((50, 200), (249, 200), (150, 100), (150, 299)):
        assert is_color(picture[y, x], color)
    for y, x in ((49, 200), (250, 200), (150, 99), (150, 300)):
        assert is_color(picture[y, x], WHITE)
    np.testing.assert_array_equal(picture[80:220, 130:270], photo[80:220, 130:270])


def test_box_of_the_whole_photo_is_visible(photo):
    picture = draw(photo, [], normalize_prompts(bboxes=[0, 0, 600, 400], image_size=(400, 600)))
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert is_color(edge, object_color(0)).all()


@pytest.mark.parametrize("point", [[0, 0], [600, 400], [600, 0]])
def test_points_at_the_edges(photo, point):
    picture = draw(photo, [], normalize_prompts(point, image_size=(400, 600)))
    assert is_color(picture, OBJECT_POINT).any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (9, 16), (24, 32)])
def test_tiny_photos(height, width):
    image = np.full((height, width, 3), 90, np.uint8)
    mask = np.ones((height, width), bool)
    prompts = normalize_prompts(
        [[width / 2, height / 2]], [1], [0, 0, width, height], image_size=(height, width)
    )
    picture = draw(image, [mask], prompts)
    assert picture.shape == image.shape
    assert (picture != image).any(axis=-1).any()


def test_marker_is_visible_on_a_small_photo():
    image = np.ascontiguousarray(data.coffee()[::16, ::16])  # (25, 38, 3)
    picture = draw(image, [], normalize_prompts([[[10, 12], [28, 12]]], [[1, 0]]))
    assert is_color(picture[12, 10], OBJECT_POINT)
    assert (picture[12, 28].astype(int) @ (1, -1, 0)) > 80  # red
    assert (picture != image).any(axis=-1).sum() < image.shape[0] * image.shape[1] / 5


def test_lines_grow_with_the_photo():
    assert [line_width(size) for size in ((1, 1), (427, 640), (9000, 12_000))] == [1, 2, 38]
