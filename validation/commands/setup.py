"""The command ``validate setup``."""

from functools import partial
from pathlib import Path

import click

from reference.common.command_line import print_lines
from validation.engines.environments import ENVIRONMENTS, find_environments
from validation.engines.environments.environment import Environment, SetupError, set_up


@click.command("setup")
@click.argument("names", metavar=f"[{'|'.join(ENVIRONMENTS)}]...", nargs=-1, required=True)
def setup(names: tuple[str, ...]) -> None:
    """Set up what the engines and targets of these NAMES run in: download it, verify it, and try it.

    \b
    Examples:
      validate setup arm64
      validate setup arm64 runtime:2.1.0

    Into the user's cache folder, or the one that the environment variable MOBILE_SAM_CACHE names; it
    takes neither root nor a container. An environment appears whole or not at all, and one that is
    there is left as it is.

    \b
    arm64          an emulated Arm processor, of Debian's packages and torch's wheel; 1 GB
    runtime:2.1.0  torch 2.1.0, whose lite interpreter phones have; 4 GB on Linux, where it comes
                   with libraries for GPUs
    """
    environments = find_environments(names)
    for environment in environments:
        report = partial(_report, environment)
        report(f"in {set_up(environment, partial(_try, environment), report)}")


def _report(environment: Environment, step: str) -> None:
    print_lines([f"{environment.name}: {step}"])


def _try(environment: Environment, folder: Path) -> None:
    """Start it, as it is going to be used."""
    from validation.engines.base import EngineDiedError  # here: torch takes seconds to import
    from validation.engines.environments.interpreter import Interpreter

    try:
        Interpreter(environment, 1, environment.counts, folder).close()
    except EngineDiedError as error:
        raise SetupError(
            f"it was built, and does not start ({error}): report this as a bug"
        ) from error
