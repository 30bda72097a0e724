"""Results of a device: the documented example is read, and everything undocumented is refused."""

import copy
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from validation.documents.strict_json import MOST_BYTES
from validation.latency.device_results import DeviceResultsError, read_device_results
from validation.latency.device_results_schema import to_document

PAGE = Path(__file__).parents[3] / "docs" / "device-results.md"
EXAMPLE = json.loads(re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1))
UNFINISHED = {
    "cases": [],
    "milliseconds": {
        "load": [],
        "image_encoder": {"first": 900.0, "steady": []},
        "mask_decoder": None,
        "end_to_end": None,
    },
    "memory": {"peak_before": 1000, "peak_after": None},
    "after": None,
    "failure": "out of memory while it ran the image encoder",
}


def changed(place, value):
    """Return the example with another value at ``place``. The value ``...`` removes the key."""
    document = copy.deepcopy(EXAMPLE)
    *parents, last = place
    target = document
    for key in parents:
        target = target[key]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return json.dumps(document)


def test_the_documented_example_is_read(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(EXAMPLE))
    results = read_device_results(path)
    assert results == read_device_results(json.dumps(EXAMPLE))
    assert results.started_at == datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert results.compute.threads == 4
    assert results.artifact.files["mobile_sam_mask_decoder.ptl"].bytes == 4812345
    assert [case.name for case in results.wrong_cases] == ["box"]
    assert results.milliseconds.stages["mask_decoder"].steady == (31.2, 30.9, 31.0)
    assert results.disturbance is None


def test_a_test_that_failed_keeps_what_it_had():
    results = read_device_results(json.dumps(EXAMPLE | UNFINISHED))
    assert results.failure.startswith("out of memory")
    assert list(results.milliseconds.stages) == ["image_encoder"]
    assert results.after is None


@pytest.mark.parametrize("key", ["cases", "milliseconds", "memory", "after"])
def test_nothing_is_missing_from_a_test_that_came_to_its_end(key):
    with pytest.raises(DeviceResultsError, match=f"'{key}.*failure"):
        read_device_results(json.dumps(EXAMPLE | {key: UNFINISHED[key]}))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"thermal_state": "light", "battery_saver": False}, "heat"),
        ({"thermal_state": "severe", "battery_saver": False}, "heat"),
        ({"thermal_state": "none", "battery_saver": True}, "saved power"),
    ],
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_hot_or_saving_device_is_disturbed(moment, state, said):
    assert said in read_device_results(changed([moment], state)).disturbance


def test_a_score_that_is_not_finite_cannot_have_passed():
    place = ["cases", 0, "max_score_difference"]
    with pytest.raises(DeviceResultsError, match=r"cases\[0\].passed.*expected false"):
        read_device_results(changed(place, None))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (["schema"], "mobile-sam-export/device-results/0", "'schema' is"),
        (["schema"], ..., "'schema' is None"),
        (["started_at"], "2026-01-31 09:30:00", "a time in UTC"),
        (["started_at"], "2026-13-31T09:30:00Z", "a time in UTC"),
        (["started_at"], "٢٠٢٦-01-31T09:30:00Z", "a time in UTC"),
        (["device", "platform"], "windows", "android or ios"),
        (["device", "model"], "Pixel\x1b[31m", "control characters"),
        (["device", "model"], "x" * 301, "at most 300"),
        (["device", "model"], " ", "a line of text"),
        (["compute", "unit"], "gpu", "expected cpu"),
        (["compute", "threads"], None, "an integer"),
        (["compute", "threads"], True, "an integer"),
        (["compute", "threads"], 10**30, "an integer of 1 to 1024"),
        (["artifact", "format"], "coreml", "expected torchscript"),
        (["artifact", "checkpoint_sha256"], "ABC", "64 hexadecimal digits"),
        (["artifact", "files"], {}, "an object of 1 to"),
        (["artifact", "files"], {"a": {"bytes": 1}}, "lacks 'sha256'"),
        (["limits", "min_iou"], 1.5, "a number of 0 to 1"),
        (["cases", 0, "mask_ious"], [1, 1, 1], "4 numbers"),
        (["cases", 0, "mask_ious", 2], -0.1, r"cases\[0\].mask_ious\[2\]"),
        (["cases", 1, "name"], "one_point", "every golden case exactly once"),
        (["cases", 1, "passed"], True, "expected false"),
        (["cases", 0], "passed", "an object with name"),
        (["milliseconds", "load"], [0], "more than 0"),
        (["milliseconds", "load"], "fast", "a list"),
        (["milliseconds", "image_encoder", "steady", 1], 1e12, "a number of 0 to"),
        (["milliseconds", "image_encoder", "steady"], [1.0] * 100_001, "at most 100000"),
        (["milliseconds", "image_encoder", "median"], 1.0, "has 'median'"),
        (["memory", "peak_after"], 1, "an integer of 121634816"),
        (["before", "thermal_state"], "nominal", "none or light"),
        (["before", "battery_saver"], 0, "true or false"),
        (["failure"], ..., "lacks 'failure'"),
    ],
)
def test_what_is_not_as_documented_is_refused_in_one_line(place, value, said):
    with pytest.raises(DeviceResultsError, match=said) as caught:
        read_device_results(changed(place, value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        json.dumps(EXAMPLE).replace("412.5", "NaN"),
        json.dumps(EXAMPLE).replace("412.5", "1e999"),
        json.dumps(EXAMPLE).replace("412.5", "9" * 5000),
        json.dumps(EXAMPLE).replace('"failure": null', '"failure": null, "failure": null'),
        json.dumps(EXAMPLE) + " " * MOST_BYTES,
    ],
    ids=["empty", "list", "cut", "deep", "nan", "infinity", "digits", "twice", "large"],
)
def test_nonsense_is_refused_in_one_line(text):
    with pytest.raises(DeviceResultsError) as caught:
        read_device_results(text)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    binary = tmp_path / "results.json"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, said in (
        (binary, "utf-8"),
        (tmp_path, "a folder"),
        (tmp_path / "none", "no such"),
    ):
        with pytest.raises(DeviceResultsError, match=said):
            read_device_results(path)


def places(value, place=()):
    """Yield every place in the example below ``value``, with only the first entry of each list."""
    items = value.items() if isinstance(value, dict) else list(enumerate(value))[:1]
    for key, item in items:
        yield (*place, key)
        if isinstance(item, dict | list):
            yield from places(item, (*place, key))


@pytest.mark.parametrize(
    "place", list(places(EXAMPLE)), ids=lambda place: ".".join(map(str, place))
)
def test_whatever_stands_in_a_place_is_read_or_refused_in_one_line(place):
    odd = [True, -1, 0.5, 10**400, "", "\x1b[2J\n", "é" * 10_000, [], [[]], {}, {"\n": {}}]
    for value in odd:
        try:
            read_device_results(changed(place, value))
        except DeviceResultsError as error:
            assert str(error).isprintable()
            assert len(str(error)) < 500
    with pytest.raises(DeviceResultsError):
        read_device_results(changed(place, {"\n": ["\x1b"]}))


def test_an_iphone_has_units_of_its_own():
    document = copy.deepcopy(EXAMPLE)
    document["device"]["platform"] = "ios"
    document["artifact"]["format"] = "coreml"
    document["compute"] = {"unit": "cpu_and_ne", "threads": None}
    document["before"]["thermal_state"] = "fair"
    document["after"]["thermal_state"] = "serious"
    results = read_device_results(json.dumps(document))
    assert "serious" in results.disturbance
    with pytest.raises(DeviceResultsError, match="null on iOS"):
        document["compute"]["threads"] = 2
        read_device_results(json.dumps(document))


def test_results_are_written_as_they_were_read():
    for changes in ({}, UNFINISHED, {"started_at": "2026-01-31T09:30:00.250Z"}):
        text = json.dumps(EXAMPLE | changes)
        results = read_device_results(text)
        document = json.loads(json.dumps(to_document(results)))
        assert read_device_results(json.dumps(document)) == results
        assert document.keys() == EXAMPLE.keys()
