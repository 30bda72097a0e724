import pytest
from tiny_variant import TINY

from reference.common.command_line import run
from reference.modeling.variants import VARIANTS
from reference.training.cli import training


@pytest.fixture
def command(monkeypatch):
    """The command, with the tiny model as its only one."""
    monkeypatch.setitem(VARIANTS, "vit_t", TINY)

    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            run(training, [str(argument) for argument in arguments])
        return exit_.value.code

    return call
