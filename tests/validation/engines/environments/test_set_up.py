"""Setting up: whole or not at all, and what is said when it fails."""

import sys

import pytest

from reference.common.errors import MobileSAMError
from validation.engines.environments import ARM64, RUNTIME, SetupError
from validation.engines.environments.arm64 import Arm64
from validation.engines.environments.environment import Machine, run_tool, set_up
from validation.engines.environments.lite_process import LiteProcess
from validation.engines.environments.runtime import Runtime


def set_up_unchecked(environment):
    steps = []
    return set_up(environment, lambda folder: None, steps.append), steps


def test_environment_appears_once(here):
    assert "run 'validate setup here:1'" in here.missing()
    folder, steps = set_up_unchecked(here)
    assert (folder, steps) == (here.folder, ["trying it"])
    assert (folder / "file").read_text() == "built"
    assert here.missing() is None
    assert here.builds[0] != folder
    assert list(folder.parent.iterdir()) == [folder]
    assert set_up_unchecked(here) == (folder, ["is there already"])
    assert len(here.builds) == 1


def test_what_was_built_is_tried_before_it_appears(here):
    tried = []

    def check(folder):
        tried.append((folder / "file").read_text())
        LiteProcess(here, threads=1, counting=True, folder=folder).close()
        assert not here.folder.exists()

    set_up(here, check, lambda step: None)
    assert tried == ["built"]


@pytest.mark.parametrize("error", [SetupError("no luck"), KeyboardInterrupt(), OSError(28, "full")])
def test_nothing_is_left_of_a_failure(here, error):
    def check(folder):
        raise error

    with pytest.raises((MobileSAMError, KeyboardInterrupt)) as caught:
        set_up(here, check, lambda step: None)
    assert list(here.folder.parent.iterdir()) == []
    if isinstance(error, SetupError):
        assert str(caught.value) == "cannot set up here:1: no luck"
    if isinstance(error, OSError):
        assert "(full): set MOBILE_SAM_CACHE to another folder" in str(caught.value)


def test_another_recipe_makes_another_environment(here):
    old, _ = set_up_unchecked(here)
    here.recipe[0].write_text("newer torch")
    assert here.missing() is not None
    new, _ = set_up_unchecked(here)
    assert new != old
    assert list(new.parent.iterdir()) == [new]


def test_failed_tool_is_one_line():
    script = "import sys; print('first', file=sys.stderr); print('E: no room', file=sys.stderr); sys.exit(7)"
    with pytest.raises(SetupError, match=r"ended with status 7 \(E: no room\): make room$"):
        run_tool([sys.executable, "-c", script], "make room")
    with pytest.raises(SetupError, match=r"^no-such-tool cannot be run \(.*\): install it$"):
        run_tool(["no-such-tool"], "install it")


def test_recipes_are_pinned_and_hashed():
    for environment in (ARM64, RUNTIME):
        (wheels,) = (path for path in environment.recipe if path.name.endswith("wheels.txt"))
        text = wheels.read_text()
        requirements = text.replace("\\\n", "").splitlines()
        assert f"torch=={environment.torch_version} " in text
        assert all(
            "==" in line and "--hash=sha256:" in line
            for line in requirements
            if not line.startswith("#")
        )


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            Arm64(Machine("Linux", "aarch64")),
            "this machine has an Arm processor itself: measure on the target cpu",
        ),
        (Arm64(Machine("Darwin", "x86_64")), "its packages are for Linux on x86-64"),
        (
            Runtime(Machine("Linux", "riscv64")),
            "torch 2.1.0 is not available for Linux on riscv64",
        ),
        (
            Runtime(Machine("Darwin", "x86_64")),
            "torch 2.1.0 is not available for Darwin on x86_64",
        ),
    ],
)
def test_machines_that_cannot_have_it(environment, expected):
    assert environment.missing().startswith(expected)
    with pytest.raises(SetupError, match=f"cannot set up {environment.name}: {expected}"):
        set_up_unchecked(environment)


@pytest.mark.usefixtures("empty_cache")
def test_system_without_debians_tools(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Arm64(Machine("Linux", "x86_64")).missing() == (
        "it is built from Debian's packages, and apt-get is missing: use Debian"
    )


@pytest.mark.usefixtures("empty_cache")
def test_unknown_name_is_refused(refuses):
    expected = "no environment is called 'riscv': expected arm64 or runtime:2.1.0"
    refuses(expected, "setup", "arm64", "riscv")
