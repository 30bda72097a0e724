"""Made-up results of the sample apps' regression test for a given artifact.

The fake adb and xcodebuild use this module. They run as separate programs, so it imports only the standard library.
"""

import hashlib
import json
from pathlib import Path

STATES = {"android": "none", "ios": "nominal"}
HOT = {"android": "severe", "ios": "serious"}


def results(artifact: Path, platform: str, settings: dict, fault: str | None) -> dict:
    """Return a document of the schema in docs/device-results.md, with the mistake that ``fault`` names."""
    manifest = json.loads((artifact / "manifest.json").read_bytes())
    goldens = json.loads((artifact / manifest["goldens"]).read_bytes())
    limits = {
        "min_iou": float(settings["min_iou"]),
        "max_score_difference": float(settings["max_score_difference"]),
    }
    cases = [_case(case["name"]) for case in goldens["cases"]]
    state = {"thermal_state": STATES[platform], "battery_saver": False}
    document = {
        "schema": "mobile-sam-export/device-results/1",
        "started_at": "2026-01-31T09:30:00Z",
        "device": {
            "platform": platform,
            "model": "Pixel 8" if platform == "android" else "iPhone16,1",
            "os_version": "15" if platform == "android" else "18.1",
        },
        "app": {"name": "org.mobilesam.sample", "version": "1.0.0", "runtime": "a runtime 2.1.0"},
        "compute": {"unit": "cpu", "threads": 4}
        if platform == "android"
        else {"unit": "all", "threads": None},
        "artifact": {
            "model": manifest["model"],
            "format": manifest["format"],
            "scheme": manifest["scheme"],
            "checkpoint_sha256": manifest["checkpoint"]["sha256"],
            "files": {name: _identity(artifact / name) for name in manifest["files"]},
        },
        "limits": limits,
        "cases": cases,
        "milliseconds": {
            "load": [400.0],
            "image_encoder": _stage(700.0, settings),
            "mask_decoder": _stage(30.0, settings),
            "end_to_end": _stage(800.0, settings),
        },
        "memory": {"peak_before": 100_000_000, "peak_after": 600_000_000},
        "before": state,
        "after": state,
        "failure": None,
    }
    _break(document, platform, fault)
    return document


def _break(document: dict, platform: str, fault: str | None) -> None:
    if fault == "wrong mask":
        document["cases"][1].update(mask_ious=[0.99, 0.98, 0.01, 0.97], passed=False)
    if fault == "score is NaN":
        document["cases"][0].update(max_score_difference=None, passed=False)
    if fault == "hot":
        document["after"] = {"thermal_state": HOT[platform], "battery_saver": False}
    if fault == "old system":
        document["before"] = document["after"] = {
            "thermal_state": "unknown",
            "battery_saver": False,
        }
    if fault == "another artifact":
        document["artifact"]["scheme"] = "fp16"
    if fault == "a case is missing":
        document["cases"].pop()
    if fault == "another limit":
        document["limits"]["min_iou"] = 0.0
    if fault == "extra field":
        document["surprise"] = 1
    if fault == "few runs":
        document["milliseconds"]["mask_decoder"]["steady"] = [30.0]
    if fault == "crash":
        document["cases"] = document["cases"][:1]
        document["milliseconds"].update(mask_decoder=None, end_to_end=None)
        document["memory"]["peak_after"] = document["after"] = None
        document["failure"] = "running the mask decoder"


def _case(name: str) -> dict:
    return {
        "name": name,
        "mask_ious": [1.0, 0.9999, 1.0, 1.0],
        "max_score_difference": 0.0001,
        "passed": True,
    }


def _stage(milliseconds: float, settings: dict) -> dict:
    """Return enough runs for the plan, with different times."""
    runs = max(int(settings["runs"]), int(1000 * float(settings["seconds"]) / milliseconds) + 2)
    steady = [milliseconds * (1 + 0.01 * (run % 3)) for run in range(runs)]
    return {"first": 2 * milliseconds, "steady": steady}


def _identity(path: Path) -> dict:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
