"""Builds the JSON document of the results; docs/latency.md has its schema."""

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version

from validation.documents.verdicts import FAILED
from validation.latency.core_ml_plan.placement import placement_record
from validation.latency.device_results_schema import to_document
from validation.latency.instructions import counts_record
from validation.latency.machine.host import machine
from validation.latency.machine.memory_timeline import Stretch
from validation.latency.results import Measurement, StageTimes, TargetResult
from validation.latency.running.plan import Plan

SCHEMA = "mobile-sam-export/latency/2"
_TOOLS = ("torch", "numpy", "coremltools")


def build_document(results: Sequence[TargetResult], plan: Plan, image: str | None) -> dict:
    """Return the document with everything that was measured, including the raw times."""
    return {
        "schema": SCHEMA,
        "plan": asdict(plan),
        "image": image,
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            **{tool: version(tool).split("+")[0] for tool in _TOOLS},
        },
        "targets": [_target(result) for result in results],
    }


def any_failed(results: Sequence[TargetResult]) -> bool:
    """Return whether an artifact FAILED on a target."""
    return any(item.status == FAILED for result in results for item in result.measurements)


def _target(result: TargetResult) -> dict:
    return {
        "target": result.target,
        "description": result.description,
        "device_like": result.device_like,
        "emulated": result.emulated,
        "missing": result.missing,
        "unwatched": list(result.unwatched),
        "artifacts": [_measurement(result, item) for item in result.measurements],
    }


def _measurement(result: TargetResult, item: Measurement) -> dict:
    return {
        "artifact": item.artifact.record(),
        "status": item.status,
        "reasons": item.reasons,
        "engine": None if item.load is None else item.load.engine,
        "note": item.note,
        "load": _load(item),
        "memory": _memory(item),
        "stages": {
            stage: _stage(times, result, item, stage) for stage, times in item.stages.items()
        },
        "instructions": counts_record(item.counts, result.measurements[0].counts),
        "phone": None if item.phone is None else to_document(item.phone),
        "placement": {
            component: placement_record(placement)
            for component, placement in item.placement.items()
        },
    }


def _load(item: Measurement) -> dict | None:
    if item.load is None:
        return None
    return {
        "seconds": item.load.seconds,
        "cold": item.load.warm is None,
        "warm_because": item.load.warm,
        "disturbance": item.load_disturbance,
    }


def _memory(item: Measurement) -> dict | None:
    if item.memory is None:
        return None
    libraries, peak = item.memory
    return {
        "libraries_bytes": libraries,
        "peak_bytes": peak,
        "added_bytes": peak - libraries,
        "timeline": [_stretch(stretch) for stretch in item.timeline.stretches],
    }


def _stretch(stretch: Stretch) -> dict:
    seconds, sizes = zip(*stretch.memory.samples, strict=True)
    return {"stage": stretch.stage, "seconds": list(seconds), "bytes": list(sizes)}


def _stage(times: StageTimes, result: TargetResult, item: Measurement, stage: str) -> dict:
    ratio, summary, warm_up = result.ratio(item, stage), times.summary, times.warm_up
    return {
        "problem": times.problem,
        "summary": None if summary is None else asdict(summary),
        "ratio_to_first": None if ratio is None else asdict(ratio),
        "first": None if times.first is None else asdict(times.first),
        "warm_up": None if warm_up is None else asdict(warm_up),
        "turns": [asdict(turn) for turn in times.turns],
    }
