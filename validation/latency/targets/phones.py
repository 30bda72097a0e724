"""Phones as targets: which artifacts they run, how a phone is chosen, and how it is measured."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.gates import Gates, read_gates
from validation.latency.phones import adb, xcode
from validation.latency.phones.external_tool import quote
from validation.latency.targets.target import TargetError, require_format, require_no_image

if TYPE_CHECKING:
    from validation.latency.results import TargetResult
    from validation.latency.running.plan import Plan


@dataclass(frozen=True)
class PhoneTarget:
    """A ``Target`` that runs the sample app's regression test on a phone.

    Attributes:
        name: the target's name.
        measures: what the figures mean, in a few words.
        format: the format of the artifacts that the app runs.
        find: finds the phone with an identifier, or the only phone for None. It returns
            ``Unavailable`` if there is none.
        phone: returns the class of the ``Phone`` to make from the phone that was found. It is a
            function because the class imports torch.
        pattern: the pattern that identifiers match.
        identifiers: the word for an identifier, and the command that lists identifiers.
        identifier: the identifier of the phone; None for the only phone.
        gates: format → scheme → the limits that masks on the phone are held to; None takes the defaults.
    """

    name: str
    measures: str
    format: str
    find: Callable[[str | None], object]
    phone: Callable[[], Callable[[object], object]]
    pattern: re.Pattern
    identifiers: tuple[str, str]
    identifier: str | None = None
    gates: Mapping[str, Mapping[str, Gates]] | None = None

    def of(self, identifier: str) -> "PhoneTarget":
        """Return the target for one phone.

        Raises:
            TargetError: ``identifier`` cannot be an identifier of a phone.
        """
        if not self.pattern.fullmatch(identifier):
            what, lister = self.identifiers
            raise TargetError(
                f"'{quote(identifier)}' is not the {what} of a phone: expected one that '{lister}' lists"
            )
        return replace(self, name=f"{self.name}:{identifier}", identifier=identifier)

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """Refuse other formats, and a photo: the app runs one format, on the artifact's goldens."""
        require_format(self.name, artifacts, self.format)
        require_no_image(self.name, image)

    def missing(self) -> str | None:
        found = self.find(self.identifier)
        return found.reason if isinstance(found, Unavailable) else None

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        # This imports torch. A list of targets should not have to wait for that.
        from validation.latency.phones.phone import measure_on_phone

        phone = self.find(self.identifier)
        if not isinstance(phone, Unavailable):
            phone = self.phone()(phone)
        gates = read_gates() if self.gates is None else self.gates
        return measure_on_phone(self.name, self.measures, phone, artifacts, plan, gates)


def _android() -> Callable:
    from validation.latency.phones.android_phone import AndroidPhone

    return AndroidPhone


def _ios() -> Callable:
    from validation.latency.phones.ios_phone import IPhone

    return IPhone


def phone_targets() -> tuple[PhoneTarget, ...]:
    """Return a target for each platform."""
    return (
        PhoneTarget(
            name="android",
            measures="milliseconds of an Android phone, over adb; android:SERIAL names one of several",
            format="torchscript",
            find=adb.find_phone,
            phone=_android,
            pattern=adb.SERIAL,
            identifiers=("serial number", "adb devices"),
        ),
        PhoneTarget(
            name="ios",
            measures="milliseconds of an iPhone, through Xcode; ios:UDID names one of several",
            format="coreml",
            find=xcode.find_phone,
            phone=_ios,
            pattern=xcode.IDENTIFIER,
            identifiers=("UDID", "xcrun devicectl list devices"),
        ),
    )
