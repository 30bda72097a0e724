"""The report's folder and its page have what the comparisons say. No browser is needed."""

import base64
import dataclasses
import html
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from converters.samples import SampleCase
from reference.common.plain_text import is_plain
from validation.comparison.conclusion import conclude
from validation.comparison.document import comparison_document
from validation.gates import Gates
from validation.inspection.drift.drift import Drift
from validation.latency.recorded import LatencyFileError
from validation.metrics import tensor_difference
from validation.report import write_report
from validation.report.charts import SHORTEST, TALLEST, histograms, loss_bars, prompt_marks
from validation.report.gate_rows import gate_rows
from validation.report.pictures import (
    ARTIFACT_COLOR,
    HEAT_COLORS,
    MISPLACED_COLOR,
    REFERENCE_COLOR,
    PictureStore,
    rings_around,
)
from validation.report.verdict import (
    headline,
    labels_of,
    ordered_artifacts,
    ordered_cases,
    reason_of,
)

COMMAND = "validate compare 'artifacts/<b>&' --report report"


@pytest.fixture(scope="module")
def text(report) -> str:
    return (report / "report.html").read_text(encoding="utf-8")


def decoded(picture) -> np.ndarray:
    data = base64.b64decode(picture.data_uri.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_folder_holds_page_and_results(report, comparisons):
    names = ["files.json", "report.html", "results.json"]
    assert sorted(path.name for path in report.iterdir()) == names
    assert json.loads((report / "results.json").read_text()) == comparison_document(comparisons)


def test_verdict_command_and_artifacts_are_named(text, comparisons):
    assert "<h1>1 of 3 artifacts can ship</h1>" in text
    assert html.escape(COMMAND, quote=False).replace("'", "&#39;") in text
    for comparison in comparisons:
        assert html.escape(reason_of(comparison)) in text
        assert comparison.artifact.name in text
        assert comparison.artifact.checkpoint.sha256 in text
    assert "weights: mine.pt" in text
    assert f"run by {comparisons[0].engine}" in html.unescape(text)
    for warning in ("Untrained weights", "Limits of your own", "your limit; default"):
        assert warning not in text
    assert "Core ML needs a Mac" in text


def test_nothing_outside_is_referred_to(text):
    references = re.findall(r"""(?:href|src)=["']?([^"'> ]*)""", text)
    assert references
    assert {reference[:5] for reference in references if not reference.startswith("#")} == {"data:"}
    assert not re.search(r"url\(|@import", text)


def test_each_photo_is_stored_once(text, comparisons):
    photos = {
        case.pictures.photo.tobytes()
        for comparison in comparisons
        for case in comparison.cases
        if case.pictures
    }
    assert text.count("data:image/jpeg") == len(photos) > 5


def test_worst_operations_are_listed(text, comparisons):
    table = text[text.index("Where the artifact departs from the reference</h3>") :]
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", table[: table.index("</table>")], re.S)
    cells = [re.sub(r"<[^>]*>|\s+", " ", row).split() for row in rows]
    assert [row[0] for row in cells] == ["norm", "&lt;i&gt;mlp&lt;/i&gt;"]  # NaN leads
    difference = comparisons[1].drifts[1].own
    assert f"{difference.sqnr:.1f}" in cells[1]
    assert text.count("Where the artifact departs") == 1  # the others were not asked for


def test_failure_leaves_nothing(tmp_path, comparisons):
    with pytest.raises(LatencyFileError):
        write_report(tmp_path / "a" / "report", comparisons[:1], latency={"schema": "another"})
    assert list(tmp_path.iterdir()) == []


def test_report_may_have_no_pictures(tmp_path, comparisons):
    bare = [
        dataclasses.replace(case, pictures=None, hidden_pictures=None)
        for case in comparisons[1].cases
    ]
    comparison = dataclasses.replace(comparisons[1], cases=tuple(bare))
    write_report(tmp_path / "r", [comparison], command=COMMAND)
    page = (tmp_path / "r" / "report.html").read_text()
    assert "data:image" not in page

    assert page.count('<details class="case"') == len(bare)


def test_report_that_no_command_made_shows_none(tmp_path, comparisons):
    write_report(tmp_path / "r", comparisons[:1])
    assert "The command that made this page" not in (tmp_path / "r" / "report.html").read_text()


HOSTILE = {
    "forged\nPASS: 37 of 37 cases passed": r"forged\nPASS: 37 of 37 cases passed",
    "\x1b[1A\x9b2Kgone": r"\x1b[1A\x9b2Kgone",
    "\u202egnp.exe\u2066": r"\u202egnp.exe\u2066",
    "\ud800\u2028\u200b": r"\ud800\u2028\u200b",
}


@pytest.mark.parametrize(
    ("name", "shown"), HOSTILE.items(), ids=["line", "terminal", "bidi", "odd"]
)
def test_names_are_shown_escaped_on_the_page(tmp_path, comparisons, name, shown):
    failed = comparisons[1].cases[0]
    case = dataclasses.replace(
        failed,
        case=dataclasses.replace(failed.case, name=name),
        photo=name,
        reasons=(f"{name}: is wrong",),
    )
    error = tensor_difference(np.array([1.0]), np.array([2.0]))
    drift = Drift("mask_decoder", name, name, name, error, error)
    comparison = dataclasses.replace(
        comparisons[1], cases=(case,), failures=(name,), engine=name, drifts=(drift,)
    )
    write_report(tmp_path / "r", [comparison], command=f"validate {name}")
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    results = (tmp_path / "r" / "results.json").read_text(encoding="utf-8")
    assert shown in page
    for text in (page, results):
        assert name not in text
        assert all(map(is_plain, text.splitlines()))
    assert json.loads(results)["artifacts"][0]["cases"][0]["name"] == name


def test_a_folder_is_shown_escaped(tmp_path, comparisons):
    folder = shutil.copytree(comparisons[0].artifact.folder, tmp_path / "a\nPASS\x1b[2J")
    artifact = dataclasses.replace(
        comparisons[0].artifact, folder=folder, goldens=folder / "goldens" / "goldens.json"
    )
    comparison = dataclasses.replace(comparisons[0], artifact=artifact, cases=())
    write_report(tmp_path / "r", [comparison], command=COMMAND)
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert r"/a\nPASS\x1b[2J</code>" in page
    assert all(map(is_plain, page.splitlines()))


# Sentences, order and figures


def test_sentences_say_what_happened_and_which_stage_is_to_blame(comparisons):
    sound, unsound, skipped = comparisons
    lowest = min(case.agreement.min_iou for case in sound.cases)
    assert reason_of(sound) == (
        f"{len(sound.cases)} cases passed; the lowest IoU of any of the four masks, shown or not, is "
        f"{lowest:.4f}."
    )
    assert reason_of(unsound) == "2 of 7 cases failed; the image encoder is to blame."
    assert reason_of(skipped) == "Core ML needs a Mac."


def test_cases_that_passed_nothing_are_counted(comparisons):
    sound, _, skipped = comparisons
    empty = dataclasses.replace(sound.cases[0], status="not proven")
    mixed = dataclasses.replace(sound, cases=(*sound.cases[1:3], empty, *skipped.cases[:2]))
    assert reason_of(mixed).startswith("2 cases passed; ")
    assert reason_of(mixed).endswith(". 2 cases could not be run. 1 case proved nothing.")


def with_verdict(comparison, verdict, size):
    """Return a copy with a verdict, and with a name and a size of its own."""

    class Sized(type(comparison)):
        size_bytes = size

    fields = {item.name: getattr(comparison, item.name) for item in dataclasses.fields(comparison)}
    artifact = dataclasses.replace(
        comparison.artifact, folder=comparison.artifact.folder.with_name(f"{verdict}-{size}")
    )
    return Sized(**fields | {"verdict": verdict, "artifact": artifact})


def test_artifacts_are_in_order_of_verdict_and_then_of_size(comparisons):
    verdicts = ("not run", "not proven", "passed", "failed", "incomplete")
    mixed = [with_verdict(comparisons[0], verdict, size) for verdict in verdicts for size in (3, 2)]
    assert [(item.verdict, item.size_bytes) for item in ordered_artifacts(mixed)] == [
        (verdict, size)
        for verdict in ("passed", "incomplete", "failed", "not proven", "not run")
        for size in (2, 3)
    ]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["passed"], "passed-1 can ship"),
        (["failed"], "failed-1 cannot ship"),
        (["not proven"], "not proven-1 cannot ship yet"),
        (["incomplete"], "incomplete-1 is proven only in part: not all cases were run"),
        (["not run"], "not run-1 cannot be judged here"),
        (["passed"] * 2, "Both artifacts can ship"),
        (["passed"] * 3, "All 3 artifacts can ship"),
        (["passed", "not run"], "1 of 2 artifacts can ship"),
        (["failed", "passed", "passed"], "2 of 3 artifacts can ship"),
        (["failed", "not run"], "None of the 2 artifacts can ship"),
        (["incomplete", "passed"], "1 of 2 artifacts can ship"),
        (["not proven"] * 2, "None of the 2 artifacts can ship"),
        (["not run"] * 2, "None of the 2 artifacts could be run"),
    ],
)
def test_headline_is_not_one_word_for_all(comparisons, verdicts, expected):
    items = [with_verdict(comparisons[0], verdict, 1) for verdict in verdicts]
    assert headline(items) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["untrained"], "passed-1 agrees with the reference, but is untrained: do not ship it"),
        (
            ["untrained"] * 2,
            "Both artifacts agree with the reference, but are untrained: do not ship them",
        ),
        (["untrained", "trained"], "1 of 2 artifacts can ship"),
        (["own limits"], "passed-1 can ship by limits of your own"),
        (["own limits", "trained"], "Both artifacts can ship by limits of your own"),
    ],
)
def test_headline_names_untrained_weights_and_own_limits(comparisons, items, expected):
    trained = with_verdict(comparisons[0], "passed", 1)
    made = {"trained": trained, "untrained": untrained(trained), "own limits": lenient(trained)}
    assert headline([made[item] for item in items]) == expected


def untrained(comparison):
    """Return a copy whose artifact has untrained weights."""
    checkpoint = dataclasses.replace(comparison.artifact.checkpoint, trained=False)
    artifact = dataclasses.replace(comparison.artifact, checkpoint=checkpoint)
    return dataclasses.replace(comparison, artifact=artifact)


def lenient(comparison):
    """Return a copy that was judged by a limit that is not the default."""
    gates = dataclasses.replace(comparison.gates, min_iou=0.25)
    return dataclasses.replace(comparison, gates=gates)


def test_limits_that_are_not_the_defaults_are_marked(comparisons, tmp_path):
    default = f"≥ {comparisons[0].gates.min_iou:g}"
    changed = lenient(comparisons[0])
    marked = {row.name: (row.gate, row.default) for row in gate_rows(changed) if row.default}
    assert marked == {"Lowest IoU of a mask that users see": ("≥ 0.25", default)}
    assert not any(row.default for row in gate_rows(comparisons[0]))
    write_report(tmp_path / "r", [changed], command=COMMAND)
    page = html.unescape((tmp_path / "r" / "report.html").read_text())
    assert f"your limit; default {default}" in page
    assert "<strong>Limits of your own</strong> judge 1 artifact." in page


def test_untrained_artifacts_are_not_green(comparisons, tmp_path):
    write_report(tmp_path / "r", [untrained(comparisons[0])], command=COMMAND)
    page = (tmp_path / "r" / "report.html").read_text()
    assert '<header class="verdict mixed">' in page
    assert "<strong>Untrained weights</strong> in 1 artifact:" in page
    assert "can ship" not in page


def test_artifacts_that_were_not_run_in_part_are_not_green(comparisons, tmp_path):
    sound, _, skipped = comparisons
    cases = [*sound.cases[:3], *skipped.cases[:2]]
    partly = conclude(sound.artifact, sound.engine, sound.gates, cases)
    assert reason_of(partly).endswith(". 2 cases could not be run.")
    write_report(tmp_path / "r", [partly], command=COMMAND)
    page = (tmp_path / "r" / "report.html").read_text()
    assert '<header class="verdict incomplete">' in page
    assert '<span class="badge incomplete">INCOMPLETE</span>' in page
    assert "can ship" not in page


def test_artifacts_of_one_name_are_told_apart_by_their_engine(comparisons):
    sound, _, skipped = comparisons
    name = sound.artifact.name
    assert labels_of([sound]) == [name]
    assert labels_of([sound, skipped]) == [f"{name} ({sound.engine})", f"{name} (no engine)"]


def test_failure_that_no_case_shows_has_a_sentence(comparisons):
    sound = comparisons[0]
    failed = conclude(sound.artifact, sound.engine, sound.gates, sound.cases, ["the engine died"])
    assert reason_of(failed).startswith("No case failed by itself, but the engine died")


def test_worst_case_is_first(comparisons):
    cases = ordered_cases(comparisons[1])
    assert [case.status for case in cases] == ["failed"] * 2 + ["passed"] * 5
    for group in (cases[:2], cases[2:]):
        ious = [case.agreement.min_iou for case in group]
        assert ious == sorted(ious)


def test_gates_agree_with_the_verdict(comparisons):
    sound, unsound, skipped = comparisons
    assert {row.held for row in gate_rows(sound)} == {True, None}  # there are no true masks
    broken = {row.name for row in gate_rows(unsound) if row.held is False}
    assert "Lowest IoU of a mask that users see" in broken
    assert [name for name in broken if name.startswith("Embeddings SQNR, dB")]
    assert not [name for name in broken if name.startswith("Mask logits SQNR, dB")]
    assert gate_rows(skipped) == []


def test_a_value_of_zero_can_break_a_gate(comparisons):
    sound = comparisons[0]
    summary = dataclasses.replace(sound.summary, mean_iou=0.0, same_choice=0.0)
    rows = gate_rows(dataclasses.replace(sound, summary=summary))
    assert [row.name for row in rows if row.held is False] == [
        "Mean mask IoU",
        "Same choice of mask",
    ]
    assert len(rows) == 1 + len(dataclasses.fields(Gates))


def test_histograms_count_everything(comparisons):
    sound = comparisons[0]
    ious, logits = histograms(sound)
    assert ious.total == 4 * len(sound.cases)
    assert ious.bins[-1].count == sum(
        iou == 1 for case in sound.cases for iou in case.agreement.mask_ious
    )
    assert logits.total == sum(case.pictures.logit_difference.size for case in sound.cases)
    assert sum(item.share for item in logits.bins) == pytest.approx(1)


def test_bars_stand_on_the_axis_and_as_high_as_their_counts(comparisons):
    for chart in histograms(comparisons[0]):
        highest = max(chart.bins, key=lambda item: item.count)
        for item in chart.bins:
            assert item.top + item.height == pytest.approx(chart.base, abs=0.02)
            expected = max(TALLEST * item.count / highest.count, SHORTEST) if item.count else 0
            assert item.height == pytest.approx(expected, abs=0.01)
            assert bool(item.caption) == bool(item.count)
            assert item.left + item.width / 2 == pytest.approx(item.middle, abs=0.02)
        lefts = [item.left for item in chart.bins]
        assert lefts == sorted(lefts)
        assert chart.bins[-1].left + chart.bins[-1].width <= chart.width
        assert chart.in_words.count(f" {chart.unit}") == sum(
            bool(item.count) for item in chart.bins
        )


def test_losses_are_bars_of_one_scale():
    bars = loss_bars({"image_encoder": 0.005, "mask_decoder": None, "mask_resize": 0.0}, 0.02)
    assert [(bar.filled, bar.value) for bar in bars] == [
        (25.0, "0.0050"),
        (0.0, "not run"),
        (0.0, "0.0000"),
    ]


def test_a_prompt_is_drawn_in_pixels_of_its_photo():
    case = SampleCase(
        "c", "p", ((20, 30.5), (4, 5)), (1, 0), (10, 20, 110, 70), mask_from="a", mask_index=2
    )
    marks = prompt_marks(case, (300, 800))
    assert (marks.width, marks.height, marks.scale) == (800, 300, 6.0)
    assert marks.box == (10, 20, 100, 50)
    assert [(mark.x, mark.y, mark.is_object) for mark in marks.points] == [
        (20, 30.5, True),
        (4, 5, False),
    ]
    assert marks.in_words == (
        "+ (20, 30.5), − (4, 5), box (10, 20) to (110, 70), refines mask 2 of a"
    )
    assert prompt_marks(SampleCase("c", "p"), (400, 100)).scale == 4.0


def test_the_page_starts_with_the_case_that_looks_worst(comparisons, tmp_path):
    sound, unsound, skipped = comparisons
    write_report(tmp_path / "r", comparisons, command=COMMAND)
    page = (tmp_path / "r" / "report.html").read_text()
    failed = [case for case in unsound.cases if case.status == "failed"]
    worst = min(failed, key=lambda case: case.agreement.shown_iou)
    start = page[page.index('id="worst-title"') : page.index("</section>")]
    assert html.escape(worst.name) in start
    assert f"{worst.agreement.shown_iou:.4f}" in start
    write_report(tmp_path / "r", [skipped], command=COMMAND)
    page = (tmp_path / "r" / "report.html").read_text()
    assert "worst-title" not in page
    assert "cannot be judged here" in page


# Pictures


def test_a_failing_mask_that_no_user_sees_is_drawn_as_well(comparisons, tmp_path):
    case = comparisons[1].cases[0]
    case = dataclasses.replace(case, hidden_pictures=case.pictures)
    others = [dataclasses.replace(item, hidden_pictures=None) for item in comparisons[1].cases[1:]]
    comparison = dataclasses.replace(comparisons[1], cases=(case, *others))
    write_report(tmp_path / "r", [comparison], command=COMMAND)
    page = (tmp_path / "r" / "report.html").read_text()
    assert page.count('<details class="hidden-mask">') == 1
    assert f"Mask {case.hidden_mask}, which failed and which no user sees" in page


def test_small_spots_get_rings_and_large_masks_none():
    empty = np.zeros((100, 200), bool)
    reference, artifact = empty.copy(), empty.copy()
    reference[10, 20] = artifact[80, 150:153] = True
    rings = rings_around(reference, artifact)
    assert [(ring.x, ring.y) for ring in rings] == [(20.5, 10.5), (151.5, 80.5)]
    assert all(3 < ring.radius < 12 for ring in rings)
    assert rings_around(empty, empty) == []
    assert rings_around(empty, ~empty) == []


def test_pictures_of_a_case_are_of_one_size(comparisons):
    ran = [case for case in comparisons[0].cases if case.pictures]
    assert len(ran) == len(comparisons[0].cases)
    for case in ran:
        pictures = case.pictures
        size = pictures.photo.shape[:2]
        assert pictures.reference_mask.shape == pictures.artifact_mask.shape == size
        assert max(size) == min(640, max(case.photo_size))
        assert pictures.photo.dtype == np.uint8


def test_masks_survive_encoding_and_are_stored_once():
    mask = np.random.default_rng(0).random((37, 25)) < 0.3
    store = PictureStore()
    picture = store.add_mask(mask, REFERENCE_COLOR)
    assert (picture.width, picture.height) == (25, 37)
    pixels = decoded(picture)
    assert np.array_equal(pixels[..., 3] > 0, mask)
    assert (pixels[mask][:, :3] == REFERENCE_COLOR).all()
    assert store.add_mask(mask.copy(), REFERENCE_COLOR) is picture
    assert store.add_mask(mask, ARTIFACT_COLOR) is not picture
    assert len(store.pictures) == 2


def test_disagreement_tells_both_directions_apart():
    reference, artifact = np.zeros((2, 4, 4), bool)  # small: no pixel is enlarged
    reference[0], artifact[:, 0] = True, True
    pixels = decoded(PictureStore().add_disagreement(reference, artifact))
    assert np.array_equal(pixels[..., 3] == 255, reference ^ artifact)
    assert tuple(pixels[0, 1, :3]) == REFERENCE_COLOR
    assert tuple(pixels[1, 0, :3]) == ARTIFACT_COLOR


def test_single_pixel_of_disagreement_is_seen():
    reference, artifact = np.zeros((2, 400, 640), bool)
    artifact[100, 200] = True
    rows, columns = decoded(PictureStore().add_disagreement(reference, artifact))[..., 3].nonzero()
    assert (set(rows), set(columns)) == ({99, 100, 101}, {199, 200, 201})


def test_heat_map_goes_from_first_to_last_color():
    values = np.array([[0, 1.99, 2.01, 31.9, 32, np.nan, np.inf]], np.float32)
    pixels = decoded(PictureStore().add_heat_map(values, 32))[0]
    expected = [HEAT_COLORS[0]] * 2 + [HEAT_COLORS[1]] + [HEAT_COLORS[-1]] * 2
    assert [tuple(pixel) for pixel in pixels] == [*expected, *[MISPLACED_COLOR] * 2]
    assert (decoded(PictureStore().add_heat_map(np.zeros((2, 2)), 0)) == HEAT_COLORS[0]).all()
