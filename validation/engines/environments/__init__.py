"""Environments that run ``.ptl`` files with another version of torch, or on another processor.

``validate setup`` builds them, and docs/environments.md describes them.
"""

from collections.abc import Iterable

from validation.engines.environments.arm64 import ARM64
from validation.engines.environments.environment import Environment, SetupError
from validation.engines.environments.runtime import RUNTIME

__all__ = ["ARM64", "ENVIRONMENTS", "RUNTIME", "Environment", "SetupError", "find_environments"]

ENVIRONMENTS: dict[str, Environment] = {item.name: item for item in (ARM64, RUNTIME)}


def find_environments(names: Iterable[str]) -> list[Environment]:
    """Return the environments with these names, each once.

    Raises:
        SetupError: no environment has one of the names.
    """
    for name in names:
        if name not in ENVIRONMENTS:
            raise SetupError(
                f"no environment is called '{name}': expected {' or '.join(ENVIRONMENTS)}"
            )
    return [ENVIRONMENTS[name] for name in dict.fromkeys(names)]
