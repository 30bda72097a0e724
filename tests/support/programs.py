"""Every command of this project: the words that users type for it, and the click command."""

from collections.abc import Iterator

import click

from converters.cli import convert_command
from reference.cli import segment
from reference.scenes.cli import scenes
from reference.training.cli import training
from validation.cli import validate
from validation.commands.demo.cli import demo
from validation.evidence.app_vectors.cli import app_vectors
from validation.evidence.architecture.cli import architecture
from validation.evidence.conformance.cli import conformance
from validation.evidence.harness.cli import harness
from validation.evidence.mutation.cli import mutation
from validation.evidence.numbers.cli import numbers
from validation.evidence.peers.cli import peers
from validation.evidence.picture.cli import picture

# The words that users type → the command.
PROGRAMS = {
    "segment": segment,
    "convert": convert_command,
    "validate": validate,
    "python -m reference.training": training,
    "python -m reference.scenes": scenes,
    "python -m validation.evidence.app_vectors": app_vectors,
    "python -m validation.evidence.architecture": architecture,
    "python -m validation.evidence.conformance": conformance,
    "python -m validation.evidence.harness": harness,
    "python -m validation.commands.demo": demo,
    "python -m validation.evidence.mutation": mutation,
    "python -m validation.evidence.numbers": numbers,
    "python -m validation.evidence.peers": peers,
    "python -m validation.evidence.picture": picture,
}


def commands_below(typed: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and its subcommands, each with the words that users type for it."""
    yield typed, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands_below(f"{typed} {name}", below)
