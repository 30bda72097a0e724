"""Fake phones, which are folders, and fakes of the programs that reach them on PATH."""

import json
import os
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]


class FakePhones:
    """The state of the phones that the fake programs report, and the calls of these programs."""

    def __init__(self, folder, **state):
        self._file, self._log = folder / "phones.json", folder / "log.jsonl"
        self.root = folder / "phone"
        self.root.mkdir()
        self._state = {"root": str(self.root), "log": str(self._log), **state}
        self.set()

    def set(self, **changes):
        self._state |= changes
        self._file.write_text(json.dumps(self._state))

    @property
    def files(self):
        """Return the files on the phone."""
        return [path for path in self.root.rglob("*") if path.is_file()]

    @property
    def requests(self):
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@pytest.fixture
def install_phones(monkeypatch, tmp_path_factory):
    """Put fakes of programs on PATH, and nothing else."""

    def install(module, programs, **state):
        folder = tmp_path_factory.mktemp("phones")
        tools = folder / "bin"
        tools.mkdir()
        for program, arguments in programs.items():
            path = tools / program
            path.write_text(
                f'#!/bin/sh\nPYTHONPATH="{CHECKOUT}" exec "{sys.executable}" '
                f'-m tests.support.{module} {arguments} "$@"\n'
            )
            path.chmod(0o755)
        phones = FakePhones(folder, **state)
        monkeypatch.setenv("PATH", f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin")
        monkeypatch.setenv("FAKE_PHONES", str(folder / "phones.json"))
        monkeypatch.delenv("ANDROID_SERIAL", raising=False)
        return phones

    return install
