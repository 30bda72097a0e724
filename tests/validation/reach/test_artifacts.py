"""Artifacts whose manifest is odd and yet accepted: commands work with it to their end."""

import json

import pytest

from reference.common.errors import MobileSAMError
from tests.support.bad_documents import mutated
from tests.support.observations import open_here, timed
from tests.support.reach import Outcome, contents, explore, few_and_many, require_told, run_command
from validation.artifacts.artifact import load_artifact
from validation.cli import main
from validation.regression import observation

EXAMPLES = 5  # in `make test`, of which some are refused


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Engines run in this process, and times are made up."""
    monkeypatch.setattr(observation, "open_isolated", open_here)
    monkeypatch.setattr(observation, "measure_latency", timed())


@few_and_many
def test_odd_manifests_of_torchscript(tiny_artifact, scale):
    hold(tiny_artifact, scale)


@few_and_many
def test_odd_manifests_of_packages(tiny_package, scale):
    hold(tiny_package, scale)


def hold(folder, scale):
    """Run commands on many artifacts that differ in their manifest only."""
    manifest, photo = folder / "manifest.json", folder / "goldens" / "china.png"
    baseline = folder.with_name("baseline.json")
    prompt = ("--point", "100,100", "--json")
    sound = json.loads(manifest.read_text())

    def check(document: dict) -> None:
        manifest.write_text(json.dumps(document))
        try:
            load_artifact(folder)
        except MobileSAMError:
            return
        before = contents(folder)
        run("cost", folder)
        run("cost", folder, "--json", "-")
        run("show", folder, photo, *prompt)
        update = run("regress", folder, "--baseline", baseline, "--update")
        assert baseline.exists() == (update.status == 0), update
        if update.status == 0:
            again = run("regress", folder, "--baseline", baseline)
            assert again.status == 0, again
            baseline.unlink()
        assert contents(folder) == before

    # Files that are listed as they are not are refused by every command in the same way.
    parts = {key: value for key, value in sound.items() if key not in ("schema", "files")}
    odd = mutated(parts).map(
        lambda part: {"schema": sound["schema"], **part, "files": sound["files"]}
    )
    explore(odd, check, EXAMPLES, scale)


def run(*arguments: object) -> Outcome:
    outcome = run_command(main, *arguments)
    if "--json" in arguments and outcome.status == 0:
        json.loads(outcome.out)
    else:
        require_told(outcome)
    return outcome
