"""Finds the targets that artifacts can be measured on, by name.

A new target is an object that implements ``Target``, and an entry in ``known_targets``. Nothing else
needs to know about it.
"""

from collections.abc import Iterable

from validation.latency.targets.target import Target, TargetError

# The target that --threads and --cores apply to.
DEFAULT_TARGET = "cpu"


def known_targets() -> dict[str, Target]:
    """Return all targets of ``measure_latency`` by name, including those that this machine lacks.

    ``known_targets()["android"].missing()`` is the reason why this machine cannot measure on it, or None.
    """
    from validation.latency.targets.core_ml import core_ml_targets
    from validation.latency.targets.cpu import cpu_targets
    from validation.latency.targets.environments import environment_targets
    from validation.latency.targets.phones import phone_targets

    targets = (
        *cpu_targets(),
        *environment_targets(),
        *core_ml_targets(),
        *phone_targets(),
    )
    return {target.name: target for target in targets}


def find_targets(names: Iterable[str]) -> list[Target]:
    """Return the targets with these names, each once. A family's name selects all of its members.

    Raises:
        TargetError: a name belongs to no target.
    """
    known = known_targets()
    found: dict[str, Target] = {}
    for name in names:
        members = [known[name]] if name in known else _family(known, name) or _phone(known, name)
        if not members:
            raise TargetError(
                f"there is no target '{name}': expected {', '.join(known)}; 'validate targets' "
                "describes each"
            )
        found |= {member.name: member for member in members}
    return list(found.values())


def _family(known: dict[str, Target], name: str) -> list[Target]:
    return [target for other, target in known.items() if other.rpartition("-")[0] == name]


def _phone(known: dict[str, Target], name: str) -> list[Target]:
    """Return the target for one phone, for a name such as ``android:SERIAL`` or ``ios:UDID``."""
    from validation.latency.targets.phones import PhoneTarget

    family, colon, identifier = name.partition(":")
    target = known.get(family)
    return [target.of(identifier)] if colon and isinstance(target, PhoneTarget) else []
