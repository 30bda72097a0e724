"""The latency page shows what a document of latency has, and a document that is wrong is refused."""

import copy
import html
import json
import re

import pytest

from tests.support.latency_documents import (
    LOADED,
    artifact,
    counting_target,
    document,
    missing_target,
    of_schema_1,
    target,
)
from validation.latency.recorded import LatencyFileError, parse_latency, read_latency
from validation.report import write_latency_report, write_report
from validation.report.latency_page import summary_of
from validation.report.latency_plots import (
    BINS,
    distribution,
    highest_memory,
    memory_plot,
    stage_bars,
    ticks,
)

COMMAND = "validate latency 'artifacts/<b>&' --report report"


@pytest.fixture
def recorded():
    return parse_latency(document(target(), missing_target()))


def test_documents_of_schema_1_are_read(tmp_path):
    written = document(target(), missing_target(), counting_target())
    assert parse_latency(of_schema_1(written)) == parse_latency(written)
    path = tmp_path / "latency.json"
    path.write_text(json.dumps(of_schema_1(written)))
    assert read_latency(path) == of_schema_1(written)


def test_old_entry_is_refused_at_its_place():
    written = of_schema_1(document())
    written["targets"][0]["artifacts"][1]["checkpoint"]["trained"] = "yes"
    place = re.escape("'targets[0].artifacts[1].checkpoint.trained' is 'yes'")
    with pytest.raises(LatencyFileError, match=place):
        parse_latency(written)


@pytest.mark.parametrize("path", ["artifacts/one", "artifacts/one/", "C:\\artifacts\\one", "one"])
def test_name_of_an_old_entry(path):
    written = of_schema_1(document(target(artifacts=[artifact(path)])))
    assert parse_latency(written).targets[0].artifacts[0].name == "one"


# Plots


def test_bars_are_shares_of_the_slowest(recorded):
    bars = stage_bars(recorded.targets[0])
    assert list(bars) == ["image_encoder", "mask_decoder", "end_to_end"]
    assert [(bar.artifact, bar.share) for bar in bars["mask_decoder"]] == [
        ("one", 0.5),
        ("two", 1.0),
    ]
    assert [bar.share for bar in bars["image_encoder"]] == [1.0, 0.0]
    assert stage_bars(recorded.targets[1]) == {}


def test_distribution_counts_every_run_that_counts(recorded):
    stage = recorded.targets[0].artifacts[0].stages[0]
    plot = distribution(stage)
    assert len(plot.counts) == len(plot.heights) == BINS
    assert sum(plot.counts) + plot.beyond == len(stage.seconds) == 10
    assert stage.disturbed == 5
    assert max(plot.heights) == 1
    # The median, 1.0 s, on an axis from 0.9 s to the 99th percentile.
    end = plot.longest
    assert plot.marks["median"] == pytest.approx((1.0 - 0.9) / (end - 0.9))
    assert plot.beyond == 1  # ten medians long


def test_distribution_of_equal_runs_is_one_bar(recorded):
    invalid = recorded.targets[0].artifacts[1].stages[0]
    assert distribution(invalid) is None  # no run counts
    same = artifact("a")
    same["stages"]["mask_decoder"]["turns"] = [{"seconds": [0.5] * 7, "disturbance": None}]
    stage = parse_latency(document(target(artifacts=[same]))).targets[0].artifacts[0].stages[1]
    assert [count for count in distribution(stage).counts if count] == [7]


def test_memory_is_drawn_in_shares(recorded):
    first = recorded.targets[0].artifacts[0]
    top = highest_memory(recorded.targets[0])
    plot = memory_plot(first, top)
    assert top == 900_000_000
    assert plot.points[0] == (0.0, pytest.approx(4 / 9))
    assert (0.5, 1.0) in plot.points
    assert plot.libraries == pytest.approx(4 / 9)
    assert [(band.stage, band.left, band.right, band.seconds) for band in plot.bands] == [
        ("load", 0.0, 0.25, 1.0),
        ("image_encoder", 0.25, 1.0, 3.0),
    ]
    assert plot.bands[1].highest == 900_000_000


def test_memory_that_was_not_recorded_is_not_drawn():
    bare = artifact("a")
    del bare["memory"]["timeline"]
    (read,) = parse_latency(document(target(artifacts=[bare]))).targets[0].artifacts
    assert read.memory.peak == 900_000_000
    assert memory_plot(read, 1) is None


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 10, ["0", "2", "4", "6", "8", "10"]),
        (0.9, 1.6, ["1.0", "1.2", "1.4", "1.6"]),
        (920, 1010, ["920", "940", "960", "980", "1,000"]),
        (0, 1e-3, ["0.0000", "0.0002", "0.0004", "0.0006", "0.0008", "0.0010"]),
    ],
)
def test_ticks_are_round_and_within(low, high, labels):
    found = ticks(low, high)
    assert [tick.label for tick in found] == labels
    assert all(-1e-9 <= tick.at <= 1 + 1e-9 for tick in found)


# Page


def test_page_says_what_the_document_does(tmp_path):
    written = document(target(), missing_target())
    write_latency_report(tmp_path / "r", written, command=COMMAND)
    assert json.loads((tmp_path / "r" / "latency.json").read_text()) == written
    text = (tmp_path / "r" / "latency.html").read_text(encoding="utf-8")
    assert html.escape(COMMAND, quote=False).replace("'", "&#39;") in text
    for phrase in (
        "1 of 4 measurements on 2 targets gave figures, 1 invalid, 1 not run, 1 failed.",
        "Untrained weights",
        "980.0 – 1,020",
        LOADED,
        "image encoder: the engine crashed",
        "it needs 4 cores, but this machine has 2",
        "1 run above",
        "throttling for heat",
    ):
        assert phrase in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&#34;&#39;" in text
    references = re.findall(r"""(?:href|src)=["']?([^"'> ]*)""", text)
    assert {reference for reference in references if not reference.startswith("#")} == {"data:,"}


def test_instructions_are_a_table_of_their_own(tmp_path):
    write_latency_report(tmp_path / "r", document(counting_target()), command=COMMAND)
    text = (tmp_path / "r" / "latency.html").read_text(encoding="utf-8")
    table = text[text.index("<h3>Instructions</h3>") :]
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", table[: table.index("</table>")], re.S)
    cells = [re.sub(r"<[^>]*>|\s+", " ", row).split() for row in rows]
    assert cells == [
        ["one", "mask", "decoder", "9.0", "6.0", "–"],
        ["one", "mask", "decoder", "9.0", "6.0", "1.250"],
    ]
    assert "<h3>Stages</h3>" not in text


def test_pages_of_a_report_link_to_each_other(tmp_path, comparisons):
    write_report(tmp_path / "r", comparisons, command=COMMAND, latency=document())
    names = sorted(path.name for path in (tmp_path / "r").iterdir())
    assert names == ["files.json", "latency.html", "latency.json", "report.html", "results.json"]
    assert '<a href="latency.html">' in (tmp_path / "r" / "report.html").read_text()
    assert '<a href="report.html">' in (tmp_path / "r" / "latency.html").read_text()


def test_summary_without_measurements_says_not_run():
    empty = parse_latency(document(missing_target()))
    assert summary_of(empty) == "0 of 1 measurement on 1 target gave figures, 1 not run."


# Refusals


def change(place, value):
    """Return a document with another value at a place such as ``targets.0.artifacts``."""
    changed = copy.deepcopy(document())
    at = changed
    *path, last = [int(part) if part.isdecimal() else part for part in place.split(".")]
    for part in path:
        at = at[part]
    at[last] = value
    return changed


ARTIFACT = "targets.0.artifacts.0"


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ("schema", "mobile-sam-export/latency/3", "expected 'mobile-sam-export/latency/2'"),
        ("schema", 2, "'schema' is 2: expected 'mobile-sam-export/latency/2'"),
        ("schema", [], "'schema' is []: expected 'mobile-sam-export/latency/2'"),
        ("targets", {}, "'targets' is {}: expected a list"),
        ("plan", None, "'plan' is None: expected an object"),
        (f"{ARTIFACT}.status", "fast", "expected measured or invalid or not run or failed"),
        (f"{ARTIFACT}.artifact", "artifacts/one", "expected an object"),
        (f"{ARTIFACT}.artifact.checkpoint.trained", 1, "trained' is 1: expected true or false"),
        (f"{ARTIFACT}.stages.mask_decoder.summary.median", float("nan"), "NaN is not a number"),
        (f"{ARTIFACT}.stages.mask_decoder.turns.0.seconds", [1, "2"], "seconds[1]' is '2'"),
        (f"{ARTIFACT}.stages.mask_decoder.turns.0.seconds", [-1.0], "seconds[0]' is -1.0"),
        (f"{ARTIFACT}.memory.peak_bytes", 10**90, "expected an integer"),
        (f"{ARTIFACT}.memory.timeline.0.bytes", [1], "expected one entry per entry of 'seconds'"),
        (f"{ARTIFACT}.memory.timeline.0.seconds", [2.0, 1.0], "expected one entry per entry"),
    ],
)
def test_what_is_not_as_the_schema_has_it(tmp_path, place, value, expected):
    path = tmp_path / "latency.json"
    path.write_text(json.dumps(change(place, value)))
    with pytest.raises(LatencyFileError) as caught:
        read_latency(path)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(f"{path}: ")
    assert message.endswith("write it with validate latency --json")
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\ufeff", "[1]"])
def test_files_that_are_no_document(tmp_path, text):
    path = tmp_path / "latency.json"
    path.write_text(text)
    with pytest.raises(LatencyFileError, match="write it with validate latency --json$"):
        read_latency(path)


def test_command_refuses_before_it_compares(refuses, tiny_artifact, tmp_path):
    arguments = ("compare", tiny_artifact, "--latency", tmp_path / "none.json")
    refuses("expected --report DIR as well", *arguments)
    refuses("none.json: no such file", *arguments, "--report", tmp_path / "r")


@pytest.mark.slow
def test_command_adds_the_page(validate, tiny_artifact, tmp_path):
    path = tmp_path / "latency.json"
    path.write_text(json.dumps(document()))
    arguments = ("--report", tmp_path / "r", "--latency", path)
    status, out, err = validate("compare", tiny_artifact, *arguments)
    assert (status, err) == (0, "")
    assert "1 of 3 measurements" in (tmp_path / "r" / "latency.html").read_text()
    assert "validate compare " in (tmp_path / "r" / "latency.html").read_text()
