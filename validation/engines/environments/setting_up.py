"""Sets environments up, as ``validate setup`` does."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from validation.engines.environments import find_environments
from validation.engines.environments.environment import Environment, SetupError, set_up


def set_up_environments(
    names: Iterable[str], on_step: Callable[[str, str], None] = lambda name, step: None
) -> dict[str, Path]:
    """Download, verify and try environments, unless they exist, as ``validate setup`` does.

    Example:
        >>> set_up_environments(["runtime:2.1.0"])

    Args:
        names: "arm64" and "runtime:2.1.0", or one of them.
        on_step: called with an environment's name and a description of each step.

    Returns:
        The name of each environment → its folder in the user's cache.

    Raises:
        SetupError: a name is unknown, this machine cannot have the environment, or a step failed. An
            environment is complete or missing.
    """
    folders = {}
    for environment in find_environments(names):
        report = partial(on_step, environment.name)
        folders[environment.name] = set_up(environment, partial(_try, environment), report)
        report(f"in {folders[environment.name]}")
    return folders


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
