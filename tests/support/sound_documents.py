"""Valid documents about a given artifact: the results of an app, and a baseline."""

import json
import re
from pathlib import Path

import numpy as np

from validation.artifacts.artifact import load_artifact, read_manifest
from validation.questions.goldens import golden_cases
from validation.regression.baseline import Baseline, key_of, write_baseline
from validation.regression.manifest_entries import manifest_entries, operators, tools
from validation.regression.outlines import outline_of
from validation.regression.record import Record

DOCS = Path(__file__).parents[2] / "docs"


def results_of(folder: Path) -> dict:
    """Return the example of docs/device-results.md with the names and hashes of this artifact."""
    example = re.search(r"```json\n(.*?)```", (DOCS / "device-results.md").read_text(), re.DOTALL)
    document, artifact = json.loads(example[1]), load_artifact(folder)
    files = read_manifest(artifact)["files"]
    document["artifact"].update(
        model=artifact.model,
        scheme=artifact.scheme,
        checkpoint_sha256=artifact.checkpoint.sha256,
        files=files,
    )
    case = document["cases"][0]
    document["cases"] = [{**case, "name": name} for name in golden_cases(artifact)]
    return document


def baseline_of(folder: Path) -> Path:
    artifact = load_artifact(folder)
    document = read_manifest(artifact)
    outline = outline_of(np.eye(20, 30, dtype=bool))
    record = Record(
        manifest=manifest_entries(document),
        operators=operators(document),
        figures={"masks.mean_iou": 0.99, "latency.image_encoder": 2.0},
        masks=dict.fromkeys(golden_cases(artifact), outline),
        engine="an engine",
        files={name: entry["sha256"] for name, entry in document["files"].items()},
        tools=tools(document),
    )
    path = folder.with_name("baseline.json")
    write_baseline(path, Baseline({key_of(artifact): record}))
    return path
