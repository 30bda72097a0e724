"""This Python as if it was an environment of its own."""

import os
import sys
from pathlib import Path

import pytest
import torch

from reference.common.cache import CACHE_VARIABLE
from validation.engines.environments import Environment

COUNTING = Path(__file__).parents[3] / "support" / "counting_python.py"


class Here(Environment):
    """Runs scripts with this Python; what ``build`` does is a test's to choose."""

    name = "here:1"
    label = "right here"
    torch_version = torch.__version__
    counts = True

    def __init__(self, recipe):
        self.recipe = (recipe,)
        self.builds = []

    def obstacle(self):
        return None

    def build(self, folder, report):
        self.builds.append(folder)
        (folder / "file").write_text("built")

    def command(self, folder, counts=None):
        return [sys.executable, *([] if counts is None else [str(COUNTING), str(counts)])]

    def variables(self, folder, threads, counts=None):
        return {**os.environ, "OMP_NUM_THREADS": str(threads)}


@pytest.fixture
def empty_cache(monkeypatch, tmp_path_factory):
    """A cache of the test's own, in which nothing is set up."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def here(empty_cache, tmp_path) -> Here:
    """An environment that is not set up."""
    recipe = empty_cache / "recipe.txt"
    recipe.write_text("torch")
    return Here(recipe)


@pytest.fixture
def here_set_up(here) -> Here:
    """An environment that is."""
    here.folder.mkdir(parents=True)
    return here
