"""The strict reader of the results that both sample apps write on a phone.

A document may come from anybody's phone, so the reader trusts nothing and refuses a document that does
not match the schema exactly. ``device_results_schema`` has the schema.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from reference.common.errors import MobileSAMError
from reference.mask_choice import NUM_MASKS
from validation.documents.strict_json import JsonSource, Value
from validation.latency.device_results_schema import (
    COMPUTE_UNITS,
    FORMAT_OF,
    IOS,
    PLATFORMS,
    SCHEMA,
    THERMAL_STATES,
    UNKNOWN,
    App,
    ArtifactIdentity,
    CaseLimits,
    Compute,
    Device,
    DeviceCase,
    DeviceResults,
    DeviceStageTimes,
    DeviceState,
    FileIdentity,
    Memory,
    Milliseconds,
)

MOST_SAMPLES = 100_000  # entries in a list of times
MOST_CASES = MOST_FILES = 1000
LARGEST_DIFFERENCE = 1e6  # between scores, which lie in about 0…1
LONGEST_RUN = 3_600_000.0  # milliseconds
MOST_MEMORY = 1 << 40  # bytes

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIX = "write it as docs/device-results.md says"
_UNLESS_FAILED = ", unless 'failure' says why not"


class DeviceResultsError(MobileSAMError):
    """A results document cannot be read, or does not match the schema."""


def read_device_results(source: Path | str) -> DeviceResults:
    """Read and check the document that an app wrote.

    Args:
        source: the path of a file, as a ``Path``, or the document itself, as a string.

    Raises:
        DeviceResultsError: the document cannot be read, is too large, is not JSON, has another
            schema, lacks a field, has an unknown field, or has an impossible value. The message names
            the field, the expectation and the fix.
    """
    name = str(source) if isinstance(source, Path) else "results of the device"
    where = JsonSource(name, "what a sample app's regression test wrote", _FIX, DeviceResultsError)
    parsed = where.read(source) if isinstance(source, Path) else where.parse(source)
    return _results(where.document(parsed, SCHEMA).object(_names(DeviceResults)))


def _names(kind: type) -> list[str]:
    """Return the keys of a class of the schema."""
    return [field.name for field in fields(kind)]


def _sha256(value: Value) -> str:
    if not isinstance(value.value, str) or not _SHA256.fullmatch(value.value):
        value.refuse("a SHA-256 as 64 hexadecimal digits in lower case")
    return value.value


def _time_of_a_run(value: Value) -> float:
    """Read the milliseconds of one run."""
    if value.number(0, LONGEST_RUN) == 0:
        value.refuse("more than 0 milliseconds")
    return float(value.value)


def _moment(value: Value) -> datetime:
    expected = "a time in UTC such as 2026-01-31T09:30:00Z"
    if not isinstance(value.value, str) or not _TIME.fullmatch(value.value):
        value.refuse(expected)
    try:
        return datetime.fromisoformat(value.value).astimezone(UTC)
    except ValueError:
        value.refuse(expected)


def _results(values: Mapping[str, Value]) -> DeviceResults:
    device = _device(values["device"].object(_names(Device)))
    limits = _limits(values["limits"].object(_names(CaseLimits)))
    failure = values["failure"].optional(Value.text)
    finished = failure is None
    results = DeviceResults(
        started_at=_moment(values["started_at"]),
        device=device,
        app=_app(values["app"].object(_names(App))),
        compute=_compute(values["compute"].object(_names(Compute)), device.platform),
        artifact=_artifact(values["artifact"].object(_names(ArtifactIdentity)), device.platform),
        limits=limits,
        cases=values["cases"].list(lambda value: _case(value, limits), MOST_CASES),
        milliseconds=_milliseconds(values["milliseconds"].object(_names(Milliseconds)), finished),
        memory=_memory(values["memory"].object(_names(Memory)), finished),
        before=_state(values["before"], device.platform),
        after=values["after"].optional(lambda value: _state(value, device.platform)),
        failure=failure,
    )
    names = [case.name for case in results.cases]
    if len(set(names)) < len(names) or (finished and not names):
        values["cases"].refuse("every golden case exactly once, unless 'failure' says why not")
    if finished and results.after is None:
        values["after"].refuse(f"the device's state{_UNLESS_FAILED}")
    return results


def _device(values: Mapping[str, Value]) -> Device:
    return Device(
        values["platform"].choice(PLATFORMS), values["model"].text(), values["os_version"].text()
    )


def _app(values: Mapping[str, Value]) -> App:
    return App(*(values[field.name].text() for field in fields(App)))


def _compute(values: Mapping[str, Value], platform: str) -> Compute:
    unit = values["unit"].choice(COMPUTE_UNITS[platform])
    if platform == IOS:
        if values["threads"].value is not None:
            values["threads"].refuse("null on iOS, where Core ML decides")
        return Compute(unit, None)
    return Compute(unit, values["threads"].integer(1, 1024))


def _artifact(values: Mapping[str, Value], platform: str) -> ArtifactIdentity:
    return ArtifactIdentity(
        values["model"].text(),
        values["format"].choice((FORMAT_OF[platform],)),
        values["scheme"].text(),
        _sha256(values["checkpoint_sha256"]),
        values["files"].mapping(_file, 1, MOST_FILES),
    )


def _file(value: Value) -> FileIdentity:
    values = value.object(_names(FileIdentity))
    return FileIdentity(values["bytes"].integer(0, MOST_MEMORY), _sha256(values["sha256"]))


def _limits(values: Mapping[str, Value]) -> CaseLimits:
    return CaseLimits(
        values["min_iou"].number(0, 1), values["max_score_difference"].number(0, LARGEST_DIFFERENCE)
    )


def _case(value: Value, limits: CaseLimits) -> DeviceCase:
    values = value.object(_names(DeviceCase))
    ious = values["mask_ious"].list(lambda iou: iou.number(0, 1), NUM_MASKS)
    if len(ious) != NUM_MASKS:
        values["mask_ious"].refuse(f"{NUM_MASKS} numbers, one per mask")
    difference = values["max_score_difference"].optional(
        lambda item: item.number(0, LARGEST_DIFFERENCE)
    )
    holds = (
        min(ious) >= limits.min_iou
        and difference is not None
        and difference <= limits.max_score_difference
    )
    if values["passed"].truth() != holds:
        values["passed"].refuse(f"{str(holds).lower()}, by 'limits' and the case's own figures")
    return DeviceCase(values["name"].text(), ious, difference, holds)


def _milliseconds(values: Mapping[str, Value], finished: bool) -> Milliseconds:
    load = values["load"].list(_time_of_a_run, MOST_SAMPLES)
    if finished and not load:
        values["load"].refuse(f"at least one time{_UNLESS_FAILED}")
    stages = {
        name: value.optional(lambda item: _stage(item, finished))
        for name, value in values.items()
        if name != "load"
    }
    if finished and (missing := [name for name, times in stages.items() if times is None]):
        values[missing[0]].refuse(f"its times{_UNLESS_FAILED}")
    return Milliseconds(load=load, **stages)


def _stage(value: Value, finished: bool) -> DeviceStageTimes:
    values = value.object(_names(DeviceStageTimes))
    steady = values["steady"].list(_time_of_a_run, MOST_SAMPLES)
    if finished and not steady:
        values["steady"].refuse(f"at least one time{_UNLESS_FAILED}")
    return DeviceStageTimes(_time_of_a_run(values["first"]), steady)


def _memory(values: Mapping[str, Value], finished: bool) -> Memory:
    before = values["peak_before"].integer(1, MOST_MEMORY)
    # A peak never shrinks, so the later one is at least the earlier one.
    after = values["peak_after"].optional(lambda value: value.integer(before, MOST_MEMORY))
    if finished and after is None:
        values["peak_after"].refuse(f"the peak{_UNLESS_FAILED}")
    return Memory(before, after)


def _state(value: Value, platform: str) -> DeviceState:
    values = value.object(_names(DeviceState))
    known = (*THERMAL_STATES[platform], UNKNOWN)
    return DeviceState(values["thermal_state"].choice(known), values["battery_saver"].truth())
