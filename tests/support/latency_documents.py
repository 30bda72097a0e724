"""Documents of ``validate latency`` with times that are known."""

import copy

HOSTILE_NAME = "artifacts/<script>alert(1)\"'"
LOADED = "in 1 of 1 turns other processes used more than 0.1 of a core"


def document(*targets: dict) -> dict:
    return {
        "schema": "mobile-sam-export/latency/2",
        "plan": {"name": "quick", "runs": 50, "seconds": 2.0},
        "image": None,
        "machine": "2 cores of a test, Linux",
        "versions": {"python": "3.11.7", "torch": "2.7.1"},
        "targets": list(targets or (target(),)),
    }


def of_schema_1(document: dict) -> dict:
    """Return a document in the form that was written before schema 2."""
    old = {**copy.deepcopy(document), "schema": "mobile-sam-export/latency/1"}
    for target in old["targets"]:
        for entry in target["artifacts"]:
            record = entry["artifact"]
            entry["artifact"] = record["path"]
            entry.update({key: record[key] for key in ("model", "format", "scheme", "checkpoint")})
    return old


def target(**changes) -> dict:
    """Return a target with three artifacts: one was measured, one is invalid, and one crashed."""
    return {
        "target": "cpu",
        "description": "2 threads",
        "device_like": False,
        "missing": None,
        "unwatched": ["throttling for heat"],
        "artifacts": [
            artifact("artifacts/one"),
            artifact("artifacts/two", status="invalid", reasons=[LOADED], stages=invalid()),
            artifact(
                HOSTILE_NAME,
                status="failed",
                reasons=["image encoder: the engine crashed"],
                engine=None,
                load=None,
                memory=None,
                stages={},
            ),
        ],
        **changes,
    }


def missing_target() -> dict:
    reason = "it needs 4 cores, but this machine has 2"
    skipped = artifact(
        "artifacts/one",
        status="not run",
        reasons=[reason],
        engine=None,
        load=None,
        memory=None,
        stages={},
    )
    return target(target="cpu:phone-little", missing=reason, artifacts=[skipped])


def counting_target() -> dict:
    counts = {"first": 9_000_000, "later": [6_000_000] * 2, "median": 6_000_000}
    counted = artifact(
        "artifacts/one",
        memory=None,
        stages={},
        instructions={"mask_decoder": {**counts, "ratio_to_first": None}},
    )
    other = {**counted, "instructions": {"mask_decoder": {**counts, "ratio_to_first": 1.25}}}
    return target(target="arm64", unwatched=[], artifacts=[counted, other])


def artifact(folder: str, **changes) -> dict:
    return {
        "artifact": {
            "name": folder.rpartition("/")[2],
            "path": folder,
            "model": "mobile_sam",
            "format": "torchscript",
            "scheme": "none",
            "bytes": 40_000_000,
            "checkpoint": {"name": "seeded", "sha256": "0" * 64, "trained": False},
        },
        "status": "measured",
        "reasons": [],
        "engine": "lite interpreter",
        "note": None,
        "load": {"seconds": 0.25, "cold": True, "warm_because": None, "disturbance": None},
        "memory": memory(),
        "stages": {
            "image_encoder": stage(1.0),
            "mask_decoder": stage(0.02),
            "end_to_end": stage(1.25),
        },
        **changes,
    }


def memory() -> dict:
    return {
        "libraries_bytes": 400_000_000,
        "peak_bytes": 900_000_000,
        "added_bytes": 500_000_000,
        "timeline": [
            {"stage": "load", "seconds": [0.0, 1.0], "bytes": [400_000_000, 450_000_000]},
            {
                "stage": "image_encoder",
                "seconds": [1.0, 2.0, 4.0],
                "bytes": [450_000_000, 900_000_000, 500_000_000],
            },
        ],
    }


def stage(median: float) -> dict:
    """Return two turns that count, with times of 0.9 to 10 medians, and a disturbed one that does not."""
    seconds = [0.9 * median, median, median, median, 1.1 * median]
    return {
        "problem": None,
        "summary": {
            "runs": 10,
            "min": 0.9 * median,
            "median": median,
            "median_interval": {"low": 0.98 * median, "high": 1.02 * median},
            "p90": 1.1 * median,
            "p99": 9.2 * median,
            "mean": 1.4 * median,
        },
        "ratio_to_first": None,
        "first": None,
        "warm_up": None,
        "turns": [
            {"seconds": seconds, "disturbance": None},
            {"seconds": [*seconds[:4], 10 * median], "disturbance": None},
            {"seconds": [3 * median] * 5, "disturbance": "other processes"},
        ],
    }


def invalid() -> dict:
    turns = [{"seconds": [1.0] * 5, "disturbance": "other processes"}]
    loaded = {**stage(1.0), "problem": LOADED, "summary": None, "turns": turns}
    return {"image_encoder": loaded, "mask_decoder": stage(0.04)}
