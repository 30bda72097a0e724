"""What a machine lacks: a failure on CI, and a skip elsewhere."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.requirements import EXCEPTIONS, lack, require_package, require_tool

RUN = Path(__file__).parents[1] / ".ci" / "run"


@pytest.mark.parametrize("ci", [None, "", "0", "false"])
def test_a_missing_program_is_a_skip(monkeypatch, ci):
    monkeypatch.delenv("CI", raising=False) if ci is None else monkeypatch.setenv("CI", ci)
    with pytest.raises(pytest.skip.Exception, match="^NOT RUN: no no-such-tool: install it$"):
        require_tool("no-such-tool", "install it")
    with pytest.raises(pytest.skip.Exception, match="^NOT RUN: no_such_package is not installed"):
        require_package("no_such_package")


@pytest.mark.parametrize("ci", ["1", "true"])
def test_a_missing_program_is_a_failure_on_ci(monkeypatch, ci):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(pytest.fail.Exception, match="^no no-such-tool: install it "):
        require_tool("no-such-tool", "install it")
    with pytest.raises(pytest.fail.Exception, match="^no_such_package is not installed"):
        require_package("no_such_package")


@pytest.mark.parametrize("what", EXCEPTIONS)
def test_an_exception_is_a_skip_on_ci_too(monkeypatch, what):
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.skip.Exception, match="^NOT RUN: it is not here$"):
        lack(what, "it is not here")


def test_what_is_there_is_returned():
    assert Path(require_tool("sh", "install it")).name == "sh"
    require_package("pytest")


@pytest.fixture
def run_without_programs(tmp_path):
    """Run .ci/run where nothing can be installed and make does nothing; CI is unset, or as given."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "id", "sh"):
        (tools / name).symlink_to(require_tool(name, "it belongs to every system"))
    for name, status in (("apt-get", 1), ("make", 0)):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*"\nexit {status}\n')
        (tools / name).chmod(0o755)

    def run(**changes):
        variables = {name: value for name, value in os.environ.items() if name != "CI"}
        variables |= {"PATH": str(tools), "MOBILE_SAM_CACHE": str(tmp_path / "none")} | changes
        return subprocess.run([RUN], env=variables, capture_output=True, text=True, check=False)

    return run


def test_ci_fails_at_once_without_a_browser(run_without_programs):
    done = run_without_programs()
    assert done.returncode == 1
    assert done.stderr == ".ci/run: cannot install chromium\n"
    assert "make" not in done.stdout


def test_without_ci_the_rest_is_run(run_without_programs):
    done = run_without_programs(CI="")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("NOT RUN")] == [
        "NOT RUN: cannot install chromium",
        "NOT RUN: cannot install chromium-driver",
        "NOT RUN: cannot install default-jdk-headless maven",
        "NOT RUN: cannot set up Swift",
    ]
    assert lines[-3:] == ["make demo", "make test-slow", "make test"]
