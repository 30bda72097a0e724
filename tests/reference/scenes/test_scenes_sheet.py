"""``python -m reference.scenes`` draws a sheet of scenes."""

import numpy as np
import pytest
from PIL import Image

from reference.common.command_line import run
from reference.scenes.cli import scenes
from reference.scenes.contact_sheet import draw_contact_sheet
from reference.scenes.scenes import generate_scenes


def test_the_sheet_shows_every_scene_with_and_without_masks(tmp_path):
    path = tmp_path / "sheet.png"
    with pytest.raises(SystemExit) as exit_:
        run(scenes, ["--seed", "5", "--count", "3", "--size", "64", "--output", str(path)])
    assert exit_.value.code == 0
    sheet = np.asarray(Image.open(path))
    made = generate_scenes([5, 6, 7], 64)
    picture = made.images[0].permute(1, 2, 0).byte().numpy()
    assert np.array_equal(sheet[:64, :64], picture)
    changed = (sheet[:64, 64:128] != picture).any(2)
    mask = made.masks[0].any(0).numpy()
    assert changed[mask].mean() > 0.9


def test_the_sheet_of_one_scene_is_not_padded():
    assert draw_contact_sheet(generate_scenes([1], (40, 60))).height == 48


def test_an_output_that_cannot_be_written_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        run(scenes, ["--output", str(tmp_path / "missing" / "sheet.png")])
    assert exit_.value.code == 2
    assert "there is no folder" in capsys.readouterr().err
