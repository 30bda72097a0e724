"""Files are dropped from the file cache, or the reason is reported."""

import os

from validation.latency.machine.cold_files import forget_files


def test_files_keep_their_contents(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"weights" * 10_000)
    reason = forget_files([path])
    assert reason is None or "file cache" in reason
    assert path.read_bytes() == b"weights" * 10_000


def test_systems_that_cannot_empty_their_cache(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    reason = "this system offers no way to empty its file cache"
    assert forget_files([tmp_path / "model"]) == reason


def test_file_that_is_gone(tmp_path):
    reason = forget_files([tmp_path / "model"])
    assert "file cache" in reason
