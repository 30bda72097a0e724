"""Short measurements, and fake phones: folders, with fakes of the programs that reach them on PATH."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import validation.latency.measure
from validation.latency.running.plan import Plan
from validation.latency.running.session import Session, WarmUp

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
def settles(monkeypatch) -> None:
    """Let every warm-up end after three runs, however noisy the machine is."""

    def warm_up(self, stage):
        return WarmUp(self.turn(stage, 3).seconds, steady=True)

    monkeypatch.setattr(Session, "warm_up", warm_up)


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


@pytest.fixture
def measured(validate, platform, monkeypatch) -> Callable[..., tuple[int, dict]]:
    """Measure artifacts on a phone, for half a second each.

    Return the exit status, and the target's part of the JSON document. ``platform``, a fixture of the test's module,
    names the target.
    """
    monkeypatch.setattr(validation.latency.measure, "QUICK", Plan("quick", runs=10, seconds=0.5))

    def run(*artifacts, target=platform):
        status, out, err = validate("latency", *artifacts, "--target", target, "--json", "-")
        assert err == ""
        return status, json.loads(out)["targets"][0]

    return run
