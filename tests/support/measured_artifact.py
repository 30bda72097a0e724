"""Checking the results of an app's regression test against the artifact that it ran."""

import json
from pathlib import Path

from validation.latency.device_results_schema import DeviceResults


def assert_measured(results: DeviceResults, artifact: Path, platform: str) -> None:
    """Check that the app ran every golden case, drew the right masks, and used the files that the manifest lists."""
    manifest = json.loads((artifact / "manifest.json").read_bytes())
    goldens = json.loads((artifact / manifest["goldens"]).read_bytes())
    assert results.failure is None
    assert results.device.platform == platform
    assert [case.name for case in results.cases] == [case["name"] for case in goldens["cases"]]
    assert not results.wrong_cases
    counted = {
        path: {"bytes": file.bytes, "sha256": file.sha256}
        for path, file in results.artifact.files.items()
    }
    assert counted == manifest["files"]
