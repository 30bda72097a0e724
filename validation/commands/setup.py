"""The command ``validate setup``."""

import click

from reference.common.command_line import print_lines
from validation.engines.environments import ENVIRONMENTS
from validation.engines.environments.setting_up import set_up_environments


@click.command("setup")
@click.argument("names", metavar=f"[{'|'.join(ENVIRONMENTS)}]...", nargs=-1, required=True)
def setup(names: tuple[str, ...]) -> None:
    """Set up environments that engines and targets run in.

    \b
    Examples:
      validate setup arm64
      validate setup arm64 runtime:2.1.0

    The command downloads an environment, verifies it and tries it. Environments are kept in your cache
    folder, or in the folder that the environment variable MOBILE_SAM_CACHE names. Neither root nor a
    container is needed. An environment appears only once it is complete. One that exists already is
    left as it is.

    \b
    arm64          an emulated Arm processor with Debian's packages and torch's Arm wheel; 1 GB
    runtime:2.1.0  torch 2.1.0, the version of the lite interpreter on phones; 4 GB on Linux,
                   where it comes with libraries for GPUs
    """
    set_up_environments(names, _report)


def _report(name: str, step: str) -> None:
    print_lines([f"{name}: {step}"])
