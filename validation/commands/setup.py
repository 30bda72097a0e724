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
    """Download, verify and try the environments that the engines and targets of these names run in.

    \b
    Examples:
      validate setup arm64
      validate setup arm64 runtime:2.1.0

    Environments are kept in your cache folder, or in the folder that the environment variable
    MOBILE_SAM_CACHE names. Neither root nor a container is needed. An environment appears whole or
    not at all. One that exists already is left as it is.

    \b
    arm64          an emulated Arm processor with Debian's packages and torch's Arm wheel; 1 GB
    runtime:2.1.0  torch 2.1.0, the version of the lite interpreter on phones; 4 GB on Linux,
                   where it comes with libraries for GPUs
    """
    environments = find_environments(names)
    for environment in environments:
        report = partial(_report, environment)
        report(f"in {set_up(environment, partial(_try, environment), report)}")


def _report(environment: Environment, step: str) -> None:
    print_lines([f"{environment.name}: {step}"])


def _try(environment: Environment, folder: Path) -> None:
    """Start the environment in ``folder`` once, in the way that engines will use it."""
    # Imported here, because torch takes seconds.
    from validation.engines.base import EngineDiedError
    from validation.engines.environments.lite_process import LiteProcess

    try:
        LiteProcess(environment, 1, environment.counts, folder).close()
    except EngineDiedError as error:
        raise SetupError(
            f"it was built but does not start ({error}): report this as a bug"
        ) from error
