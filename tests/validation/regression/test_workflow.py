"""The workflow that users copy. Each of its steps is run as on a runner, with the tiny model."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

WORKFLOW = Path(__file__).parents[3] / "docs" / "workflows" / "mobile-sam.yml"
TEXT = WORKFLOW.read_text()
DOCUMENT = yaml.safe_load(TEXT)
(JOB,) = DOCUMENT["jobs"].values()
STEPS = JOB["steps"]
TIME_LIMIT = 900  # seconds of a step

# Expression → the value that GitHub substitutes for a user who set no variables.
EXPRESSIONS = {
    "vars.MOBILE_SAM_EXPORT || '.'": ".",
    "vars.TORCH_CPU_INDEX": "",
    "inputs.update && '--update' || ''": "",
}
IF_CONVERTED = "${{ !cancelled() && steps.convert.outcome == 'success' }}"

# Replaces the two commands by ones of this checkout that measure little, undisturbed.
COMMAND = """#!{python}
import sys
sys.path.insert(0, {checkout!r})

import validation.regression.latency as latency
from validation.latency.machine.host import HostState
from validation.latency.running.plan import Plan

class QuietHost:
    def __init__(self, cores):
        self.cores = tuple(cores)

    def state(self):
        return HostState(0.0, None, 0.0, None, None, None)

    def unwatched(self):
        return ["the load of other processes"]

if __name__ == "__main__":
    latency.PLAN, latency.Host = Plan("test", runs=5, seconds=0.0), QuietHost
    from {package}.cli import main
    main()
"""

# Replaces python in "python -m venv .venv": the environment's pip records its arguments.
PYTHON = """#!/bin/sh
set -eu
test "$*" = "-m venv .venv"
mkdir -p .venv/bin
printf '#!/bin/sh\\necho "$PIP_EXTRA_INDEX_URL $*" >> pip.txt\\n' > .venv/bin/pip
cp {commands}/convert {commands}/validate .venv/bin
chmod +x .venv/bin/*
"""


class Runner:
    """Runs a job's ``run:`` steps in a folder, as GitHub's runner does."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self._folder = folder
        self.summary = folder / "summary.md"
        self._paths = folder / "github_path"
        self._paths.touch()
        self._environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_PATH": str(self._paths),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, **environment: str) -> dict[str, str]:
        """Run the job, with changed variables if given. Return step → "success", "failure" or "skipped"."""
        outcomes: dict[str, str] = {}
        for step in STEPS:
            if "run" not in step:
                continue
            if not self._is_due(step.get("if"), outcomes):
                outcomes[step["name"]] = "skipped"
                continue
            done = self._run_step(step, environment)
            outcomes[step["name"]] = "success" if done == 0 else "failure"
        return outcomes

    def _is_due(self, condition: str | None, outcomes: dict[str, str]) -> bool:
        if condition is None:
            return "failure" not in outcomes.values()
        assert condition == IF_CONVERTED
        return outcomes["Convert"] == "success"

    def _run_step(self, step: dict, environment: dict[str, str]) -> int:
        added = os.pathsep.join(self._paths.read_text().split())
        variables = {
            **self._environment,
            **{name: filled_in(value) for name, value in DOCUMENT["env"].items()},
            **{name: filled_in(value) for name, value in step.get("env", {}).items()},
            **environment,
        }
        variables["PATH"] = f"{added}{os.pathsep}{variables['PATH']}"
        # GitHub's "shell: bash".
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self._folder,
            env=variables,
            timeout=TIME_LIMIT,
            check=False,
        ).returncode


def filled_in(value: str) -> str:
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: EXPRESSIONS[found.group(1)], value)


@pytest.fixture
def runner(tmp_path) -> Runner:
    tools, job = tmp_path / "tools", tmp_path / "job"
    tools.mkdir()
    job.mkdir()
    checkout = str(Path(__file__).parents[3])
    for name, package in (("convert", "converters"), ("validate", "validation")):
        text = COMMAND.format(python=sys.executable, checkout=checkout, package=package)
        (tools / name).write_text(text)
    python = tools / "python"
    python.write_text(PYTHON.format(commands=shlex.quote(str(tools))))
    python.chmod(0o755)
    return Runner(job, tools)


def test_actions_are_pinned_to_a_commit():
    uses = re.findall(r"uses: (.*)", TEXT)
    assert len(uses) == 4
    for action in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_no_registry_is_named():
    assert not re.search(r"https?://[a-z]", TEXT.replace("git+https://…", ""))


def test_steps_are_bash():
    for step in STEPS:
        if "run" in step:
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)
    assert JOB["defaults"]["run"]["shell"] == "bash"


def test_all_that_steps_write_is_uploaded():
    (upload,) = (step for step in STEPS if step.get("uses", "").startswith("actions/upload-"))
    runs = "\n".join(step.get("run", "") for step in STEPS)
    for path in upload["with"]["path"].split("\n")[:-2]:
        assert path in runs
    assert "${{ env.BASELINE }}" in upload["with"]["path"]


@pytest.mark.slow
def test_good_and_regressed_artifacts(runner, tiny_model, other_weights, tmp_path):
    job = tmp_path / "job"
    tiny = {"MODEL": tiny_model, "FORMAT": "torchscript", "QUANTIZE": "none"}
    good = {**tiny, "CHECKPOINT": "seeded"}

    first = runner.run(**good, UPDATE="--update")
    assert set(first.values()) == {"success"}
    assert list(first) == ["Install", "Convert", "Compare", "Regress", "Summary"]
    assert (job / "pip.txt").read_text() == " install --disable-pip-version-check .\n"
    assert (job / "report" / "report.html").is_file()
    baseline = (job / "mobile-sam-baseline.json").read_text()

    def again(**environment):
        subprocess.run(["rm", "-r", "artifacts", "report"], cwd=job, check=True)
        runner.summary.unlink()
        return runner.run(**environment)

    # The machine that runs this is unknown, so the test only requires that there are times.
    outcomes = again(**good)
    verdicts = read_verdicts(job)
    assert outcomes["Compare"] == "success"
    assert verdicts["masks against baseline masks"] == "passed"
    assert "image encoder time ÷ calibration time" in verdicts
    assert all(" time " in quantity for quantity in failed(verdicts))

    outcomes = again(**tiny, CHECKPOINT=str(other_weights))
    assert (outcomes["Convert"], outcomes["Regress"]) == ("success", "failure")
    assert outcomes["Summary"] == "success"
    assert {"manifest", "manifest: checkpoint.sha256"} <= failed(read_verdicts(job))
    assert (job / "regression.txt").read_text() in runner.summary.read_text()
    assert (job / "mobile-sam-baseline.json").read_text() == baseline


def read_verdicts(job: Path) -> dict[str, str]:
    """Return quantity → verdict, of the only artifact."""
    document = json.loads((job / "regression.json").read_text())
    (lines,) = document["artifacts"].values()
    return {line["quantity"]: line["verdict"] for line in lines}


def failed(verdicts: dict[str, str]) -> set[str]:
    return {quantity for quantity, verdict in verdicts.items() if verdict == "failed"}
