"""The section ``trade_off``: its tables and its picture show what was measured."""

import re
import xml.etree.ElementTree
from itertools import combinations

import pytest

from converters.coreml.options import CoreMLOptions
from converters.options import format_of
from converters.torchscript.options import TorchScriptOptions
from validation.artifacts.artifact import load_artifact
from validation.evidence.numbers import trade_off
from validation.evidence.numbers.labels import Box, along, around, place_labels
from validation.evidence.numbers.trade_off import DEFAULT_OPTIONS, OTHER_OPTIONS, PICTURE, show
from validation.evidence.numbers.trade_off_figures import EARLIER, Measured
from validation.evidence.page import PAGE
from validation.gates import SCHEMES

WEIGHTS = 8_000_000


def measured(format_name, scheme, size, mean, target=None, max_size=None):
    lowest = mean - 0.1
    return Measured(
        format_name,
        scheme,
        target,
        max_size,
        size,
        lowest,
        lowest + 0.05,
        mean,
        30.0,
        20.0,
        148,
        "an engine",
        "passed",
    )


FOUND = [
    measured("coreml", "fp16", 20_000_000, 0.999, "iOS16"),
    measured("coreml", "lut6", 7_940_000, 0.98, "iOS16"),
    measured("coreml", "lut6", 8_050_000, 0.985, "iOS18"),
    measured("coreml", "auto", 7_990_000, 0.99, "iOS18", 8_000_000),
    measured("coreml", "auto", 4_990_000, 0.95, "iOS18", 5_000_000),
    measured("torchscript", "int8", 12_240_000, 0.995),
    measured("torchscript", "auto", 7_950_000, 0.985, None, 8_000_000),
]


def cells(table):
    header = [name.strip("<") for name in table.header]
    return [dict(zip(header, row, strict=True)) for row in table.rows]


@pytest.fixture
def shown(tmp_path):
    """Return the tables of made-up artifacts, and the root of their picture."""
    picture = tmp_path / "trade-off.svg"
    tables = show(FOUND, WEIGHTS, picture)
    return list(map(cells, tables)), xml.etree.ElementTree.fromstring(picture.read_text())


def elements(root, kind):
    """Return the shapes of a kind of point, without that of the legend."""
    return [item for item in root.iter() if item.get("class") == kind][1:]


def test_every_scheme_is_measured():
    names = {(format_of(options), options.scheme) for options in (*DEFAULT_OPTIONS, *OTHER_OPTIONS)}
    assert {scheme for name, scheme in names if name == "coreml"} == set(SCHEMES["coreml"])
    assert {scheme for name, scheme in names if name == "torchscript"} == {"int8", "auto"}


def test_artifacts_are_converted_and_compared(
    monkeypatch, tiny_model, tiny_source, tiny_package, tmp_path
):
    class TinyBench:
        source, folder = tiny_source, tmp_path

        def artifact(self, format_name, scheme):
            assert (format_name, scheme) == ("coreml", "none")
            return load_artifact(tiny_package)

    sizes = (1_100_000, 970_000)
    monkeypatch.setattr(trade_off, "DEFAULT_OPTIONS", (CoreMLOptions("none"),))
    monkeypatch.setattr(
        trade_off,
        "OTHER_OPTIONS",
        [TorchScriptOptions("auto", max_size=size) for size in sizes],
    )
    floats, large, small = trade_off.measure(TinyBench())
    assert (floats.name, floats.target, floats.verdict) == ("none", "iOS16", "passed")
    assert floats.size == load_artifact(tiny_package).size_bytes
    for found, size in ((large, sizes[0]), (small, sizes[1])):
        assert (found.format, found.scheme, found.target) == ("torchscript", "auto", None)
        assert (found.name, found.max_size) == (f"auto, ≤ {size / 1e6:g} MB", size)
        assert 0.9 * size <= found.size <= size
        assert 0 < found.min_iou <= found.min_seen_iou <= 1
        assert found.min_iou <= found.mean_iou < floats.mean_iou <= 1
        assert found.encoder_sqnr < floats.encoder_sqnr
        assert found.decoder_sqnr < floats.decoder_sqnr
        assert found.masks == floats.masks > 0


def test_tables_have_the_figures(shown):
    (every, before, _), _ = shown
    assert len(every) == len(FOUND)
    assert every[3] == {
        "format": "coreml",
        "scheme": "auto, ≤ 8 MB",
        "target": "iOS18",
        "MB": "7.99",
        "bits per weight": "7.99",
        "IoU min": "0.8900",
        "IoU min, seen": "0.9400",
        "IoU mean": "0.9900",
        "encoder dB": "30.0",
        "decoder dB": "20.0",
        "gates": "passed",
    }
    assert every[-1]["target"] == "–"
    assert [(row["scheme"], row["MB"]) for row in before] == [
        (each.scheme, f"{each.size / 1e6:.2f}") for each in EARLIER
    ]


def test_the_best_of_a_size_is_the_one_with_the_highest_mean(shown):
    (_, _, (eight, five, script)), _ = shown
    assert (eight["format"], eight["MB"]) == ("coreml", "≤ 8")
    assert (eight["before"], eight["before: IoU mean"]) == ("lut6", "0.9520")
    assert (eight["now"], eight["now: IoU mean"]) == ("auto, ≤ 8 MB", "0.9900")
    assert (five["before"], five["before: MB"]) == ("none", "–")
    assert five["now: MB"] == "4.99"
    assert (script["format"], script["before"]) == ("torchscript", "none")


def test_picture_has_a_dot_for_each_figure(shown):
    _, root = shown
    assert len(elements(root, "before")) == 2 * len(EARLIER)  # no figure about masks that users see
    assert len(elements(root, "fixed")) == 3 * 3  # three artifacts, without the large one
    assert len(elements(root, "automatic")) == 3 * 3
    curves = [item for item in root.iter() if item.get("class") == "curve"]
    assert len(curves) == 3  # the two of Core ML, in each panel
    description = root.find("{*}desc").text
    assert "Core ML, in mil_runtime lut6, iOS 18 (now), 8.05 MB: mean IoU 0.9850" in description
    assert "fp16" not in description


def test_smaller_losses_are_higher_and_larger_files_further_right(shown):
    _, root = shown
    panel = next(item for item in root if item.get("transform", "").startswith("translate(64"))
    found = {
        kind: [
            tuple(map(float, re.findall(r"[\d.]+", group.get("transform"))))
            for group in panel
            if any(child.get("class") == kind for child in group)
        ]
        for kind in ("fixed", "automatic")
    }
    (lut6, scaled, int8), (large, small, script) = found["fixed"], found["automatic"]
    assert small[0] < lut6[0] < large[0] < scaled[0] < int8[0]
    assert small[1] > lut6[1] > scaled[1] > large[1] > int8[1]
    assert script[1] == scaled[1]


def test_labels_cover_neither_dots_nor_lines_nor_each_other():
    places = [(100, 100), (106, 103), (103, 95), (150, 100), (395, 100)]
    obstacles = [around(*place) for place in places] + along((0, 110), (400, 90))
    panel = Box(0, 0, 400, 200)
    labels = place_labels([("lut6, iOS 18", place) for place in places], obstacles, panel)
    for one, other in combinations(labels, 2):
        assert one.shared(other) == 0
    for label in labels:
        assert label.shared(panel) == pytest.approx(label.area)
        assert not any(label.shared(obstacle) for obstacle in obstacles)


# What is committed


def test_picture_on_the_page_shows_the_table_on_the_page():
    text = PAGE.read_text()
    assert f"]({PICTURE.name})" in text
    block = re.search(r"begin trade-off -->\n(.*?)<!--", text, re.DOTALL)[1]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in block.splitlines()
        if line.startswith("| coreml") or line.startswith("| torchscript")
    ]
    description = xml.etree.ElementTree.fromstring(PICTURE.read_text()).find("{*}desc").text
    drawn = [row for row in rows if float(row[3]) <= 13]
    assert len(drawn) >= 10
    assert len(description.split("; ")) == len(drawn) + len(EARLIER)
    for _, _, _, size, _, lowest, seen, mean, *_ in drawn:
        assert f"{size} MB: mean IoU {mean}, lowest {lowest}, lowest that users see {seen}" in (
            description
        )
