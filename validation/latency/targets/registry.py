"""Targets: what artifacts can be measured on, by name.

A new target is an object with what ``Target`` asks for, and an entry in ``known_targets``; nothing
else needs to know of it.
"""

from collections.abc import Iterable

from validation.latency.targets.target import Target, TargetError


def known_targets() -> dict[str, Target]:
    """All targets by name, whether or not this machine has what they need."""
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
    """The targets of these names, each once; a family's name stands for all of its members.

    Raises:
        TargetError: there is no target of a name.
    """
    known = known_targets()
    found: dict[str, Target] = {}
    for name in names:
        members = [known[name]] if name in known else _family(known, name) or _phone(known, name)
        if not members:
            raise TargetError(
                f"there is no target '{name}': expected {', '.join(known)}; 'validate targets' "
                "says what each is"
            )
        found |= {member.name: member for member in members}
    return list(found.values())


def _family(known: dict[str, Target], name: str) -> list[Target]:
    return [target for other, target in known.items() if other.rpartition("-")[0] == name]


def _phone(known: dict[str, Target], name: str) -> list[Target]:
    """One phone of several: ``android:SERIAL``, ``ios:UDID``."""
    from validation.latency.targets.phones import PhoneTarget

    family, colon, identifier = name.partition(":")
    target = known.get(family)
    return [target.of(identifier)] if colon and isinstance(target, PhoneTarget) else []
