import pytest

from reference.common.command_line import run
from reference.training.cli import training
from tests.support.tiny_variant import TINY


@pytest.fixture
def command():
    """Run the command for the tiny model, and return its exit status."""

    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            run(training, [*map(str, arguments), "--model", TINY.name])
        return exit_.value.code

    return call
