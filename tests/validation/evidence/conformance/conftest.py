"""A log of a conformance run."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def log(tmp_path) -> Path:
    """The log of a few tests, one of which was run twice."""
    path = tmp_path / "operators.jsonl"
    lines = [
        ("test_a", "failed", 1, ["iOS15:add"], "wrong"),
        ("test_a", "passed", 2, ["iOS15:add", "iOS18:mul"], ""),
        ("test_b", "failed", 1, ["iOS15:add"], "wrong"),
        ("test_c", "passed", 0, [], ""),
        ("test_d", "skipped", 0, [], "needs hardware"),
        ("test_e", "failed", 0, [], "cannot be loaded"),
    ]
    names = ("test", "outcome", "predictions", "operators", "reason")
    path.write_text(
        "".join(json.dumps(dict(zip(names, line, strict=True))) + "\n" for line in lines)
    )
    return path
