"""The ``validate`` command."""

from collections.abc import Sequence
from typing import NoReturn

import click

from reference.common.command_line import run, version_option
from validation.commands.accuracy import accuracy
from validation.commands.compare import compare
from validation.commands.cost import cost
from validation.commands.latency import latency, targets
from validation.commands.regression import ingest, regress
from validation.commands.setup import setup
from validation.commands.show import show


@click.group("validate")
@version_option
def validate() -> None:
    """Compare converted artifacts with the PyTorch reference, with true masks, and with a committed baseline.

    \b
    Examples:
      validate compare artifacts/mobile_sam-torchscript-int8
      validate accuracy artifacts/mobile_sam-torchscript-int8 --dataset photos
      validate latency artifacts/mobile_sam-torchscript-int8
      validate regress artifacts/mobile_sam-torchscript-int8 --baseline baseline.json
      validate show artifacts/mobile_sam-torchscript-int8 photo.jpg --point 400,300 --output o.png
    """


for command in (compare, show, accuracy, latency, targets, setup, cost, regress, ingest):
    validate.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``validate`` and exit with its status.

    Args:
        arguments: the words after ``validate``; None takes those of this process.
    """
    run(validate, arguments)
